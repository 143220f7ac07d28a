package prefect

import "strings"

// RandomName makes the name of a run that was given none, an adjective and an
// animal, from a random number.
func RandomName(r uint64) string {
	n := uint64(len(adjectives))
	return adjectives[r%n] + "-" + animals[r/n%uint64(len(animals))]
}

var adjectives = strings.Fields(`
able agile airy amber amiable ample ancient arctic ardent artful astute autumn avid azure balmy blithe bold
bonny bouncy brave breezy brief bright brisk bronze bubbly calm candid careful cheery chief chilly civil
classic clear clever coastal cobalt copper coral cordial cosmic cosy crafty crimson crisp cunning curious
dapper daring dawn deft dewy distant dreamy dusky eager early earnest eastern easy ebony elated elder electric
elegant emerald epic exact fabled fair famous fancy fearless festive fiery fleet floral flying fond frank free
fresh frosty gallant generous gentle giant gilded glad gleaming golden good graceful grand granite grateful
great green gusty handy happy hardy hasty hazel hearty hidden honest humble icy ideal indigo ivory jade jaunty
jolly jovial joyful keen kind lanky laughing lavender lean lilac limber lively lofty loyal lucid lucky lunar
magic maple marble mellow merry mighty mild mint misty modest mossy muted nimble noble noisy northern oaken
olive opal open orange orderly patient pearly pensive perky placid plucky plum polar polite prime proud
punctual purple quaint quick quiet radiant rapid ready regal restful rosy royal ruby rugged rustic sage sandy
sapphire scarlet secret serene sharp shiny shy silent silken silver simple sincere sleek smart smooth snowy
snug solar solemn solid southern spry stately steady stellar sterling stoic stormy sturdy subtle sunny super
sure swift tactful tame tawny teal tender thrifty tidal tidy tiny tranquil trusty upbeat urban valiant velvet
vernal vivid warm wary western whimsical wild willing windy winged wintry wise witty woodland wry young zany
zealous zesty
`)

var animals = strings.Fields(`
aardvark adder albatross alligator alpaca anchovy ant anteater antelope armadillo auk axolotl baboon badger
bandicoot barracuda bass bat bear beaver bee beetle bison blackbird boa boar bobcat bongo buffalo bullfinch
bumblebee bunting butterfly buzzard camel canary caracal caribou carp cassowary cat caterpillar chameleon
chamois cheetah chickadee chinchilla chipmunk cicada civet clam cobra cockatoo cod condor cormorant cougar
coyote crab crane cricket crocodile crow cuckoo curlew deer dingo dodo dog dolphin donkey dormouse dove
dragonfly duck dugong dunlin eagle earwig echidna eel egret eland elephant elk emu ermine falcon ferret finch
firefly flamingo fox frog gannet gazelle gecko gerbil gibbon giraffe gnat gnu goat goldfinch goose gopher
gorilla grasshopper grebe grouse guanaco gull guppy haddock halibut hamster hare harrier hawk hedgehog heron
herring hippo hornet horse hound hummingbird hyena ibex ibis iguana impala jackal jackdaw jaguar jay jellyfish
kangaroo kestrel kingfisher kite kiwi koala kookaburra krill kudu ladybird lamprey lapwing lark lemming lemur
leopard limpet linnet lion lizard llama lobster loris lynx macaw mackerel magpie manatee mandrill mantis
marlin marmot marten martin meerkat mink minnow mole mongoose moose moth mouse mule muskrat narwhal newt
nightingale numbat nuthatch ocelot octopus okapi opossum orangutan orca oriole oryx osprey ostrich otter owl
ox oyster panda pangolin panther parrot partridge peacock pelican penguin perch petrel pheasant pigeon pike
pipit platypus plover polecat pony porcupine porpoise prawn puffin puma python quail quokka rabbit raccoon ram
raven reindeer rhino robin salamander salmon sandpiper sardine seahorse seal shark sheep shrew shrimp skink
skylark sloth snail snipe sparrow spider squid squirrel starling stingray stoat stork swallow swan swift tapir
tarsier termite tern thrush tiger toad tortoise toucan trout tuna turtle viper vole vulture wallaby walrus
wapiti warbler wasp weasel whale wildcat wolf wombat woodcock woodpecker wren yak zebra
`)
