package ops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// The data of block documents is kept encrypted, by AES-256-GCM: with the key that the
// operator gives every node, or else one that the cluster makes for itself and keeps in
// its coordination group. The first byte of what is kept says which (docs/security.md).
const (
	sealedByCluster  = 1
	sealedByOperator = 2
)

// blockKeyName is the name of the cluster's key among the configurations.
const blockKeyName = "block encryption key"

// BlockKeys are the keys that there are; empty ones are not.
type BlockKeys struct {
	Cluster  []byte
	Operator []byte
}

// clusterKey is the key of the cluster, if it has one yet; the operator's is in no table.
func clusterKey(tx *store.Tx) (keys BlockKeys) {
	if row := store.Configurations.Get(tx, store.Key{}.Name(blockKeyName)); row != nil {
		keys.Cluster = row.Value
	}
	return keys
}

func (k BlockKeys) withOperator(s *Settings) BlockKeys {
	if s.EncryptionKey != "" {
		sum := sha256.Sum256([]byte(s.EncryptionKey))
		k.Operator = sum[:]
	}
	return k
}

// sealingKeys are the keys in an operation, one of which there is.
func (c *Context) sealingKeys() BlockKeys {
	keys := clusterKey(c.Tx).withOperator(c.Settings)
	if keys.Operator == nil && keys.Cluster == nil {
		keys.Cluster = make([]byte, 32)
		_, _ = rand.Read(keys.Cluster) // it never fails
		store.Configurations.Put(c.Tx, &store.Configuration{Name: blockKeyName, Value: keys.Cluster})
	}
	return keys
}

// seal encrypts the data of a document.
func (k BlockKeys) seal(document prefect.ID, data prefect.JSON) ([]byte, error) {
	by, key := byte(sealedByOperator), k.Operator
	if key == nil {
		by, key = sealedByCluster, k.Cluster
	}
	box, err := boxOf(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, box.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return box.Seal(append([]byte{by}, nonce...), nonce, data, document[:]), nil
}

var errSealed = errors.New("the data of a block cannot be decrypted: is PREFECT_SERVER_ENCRYPTION_KEY the one that it was saved with?")

// open decrypts the data of a document.
func (k BlockKeys) open(document prefect.ID, sealed []byte) (prefect.JSON, error) {
	if len(sealed) == 0 {
		return prefect.JSON(`{}`), nil
	}
	key := k.Cluster
	if sealed[0] == sealedByOperator {
		key = k.Operator
	}
	box, err := boxOf(key)
	if err != nil {
		return nil, errSealed
	}
	if sealed = sealed[1:]; len(sealed) < box.NonceSize() {
		return nil, errSealed
	}
	data, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], document[:])
	if err != nil {
		return nil, errSealed
	}
	return data, nil
}

func boxOf(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of blocks: %w", err)
	}
	return cipher.NewGCM(block)
}

// secretMask stands for a secret that a client did not ask for.
const secretMask = "********"

// secretFields are the paths of the secrets in documents of a schema.
func secretFields(fields prefect.JSON) ([][]string, error) {
	var parts struct {
		SecretFields []string `json:"secret_fields"`
	}
	if err := prefect.Unmarshal(fields, &parts); err != nil {
		return nil, fmt.Errorf("fields of a block schema: %w", err)
	}
	var paths [][]string
	for _, path := range parts.SecretFields {
		paths = append(paths, strings.Split(path, "."))
	}
	return paths, nil
}

// eachSecret replaces what is at a path in some data by what change makes of it; beside is
// other data of the same form, of which change sees the value at the same place.
func eachSecret(v, beside any, path []string, change func(v, beside any) any) any {
	if len(path) == 0 {
		return change(v, beside)
	}
	switch v := v.(type) {
	case map[string]any:
		other, _ := beside.(map[string]any)
		for name, value := range v {
			if path[0] == "*" || path[0] == name {
				v[name] = eachSecret(value, other[name], path[1:], change)
			}
		}
	case []any:
		other, _ := beside.([]any)
		for i, item := range v {
			var next any
			if i < len(other) {
				next = other[i]
			}
			if path[0] == "*" {
				v[i] = eachSecret(item, next, path[1:], change)
			}
		}
	}
	return v
}

// masked hides the secrets in data.
func masked(data any, paths [][]string) any {
	for _, path := range paths {
		data = eachSecret(data, nil, path, func(v, _ any) any {
			if v == nil {
				return nil
			}
			return secretMask
		})
	}
	return data
}

// unmasked puts the secrets of stored data where a client sent the mask that it saw.
func unmasked(sent, stored any, paths [][]string) any {
	for _, path := range paths {
		sent = eachSecret(sent, stored, path, func(v, beside any) any {
			if v == secretMask && beside != nil {
				return beside
			}
			return v
		})
	}
	return sent
}
