// The driver of workos-go v10 (protocol: ../../protocol.ts).
//
// Owns the checks by this SDK's calls. It writes and reads `leb-first`; conflicts have no class of their own. Written
// against the SDK's published source: where this was written, no registry served the module, so that it has been
// compiled against declarations of the same names only.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/workos/workos-go/v10"
)

const name = "a/b é ?&#%"

var (
	ctx        = context.Background()
	keyContext = map[string]string{"organization_id": "org_interop"}
)

func say(fields ...string) {
	fmt.Println(strings.Join(fields, "\t"))
}

func check(name string, work func() error) {
	// What an earlier check did not get may be nil.
	defer func() {
		if trouble := recover(); trouble != nil {
			say("fail", name, fmt.Sprint(trouble))
		}
	}()
	if err := work(); err != nil {
		say("fail", name, strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	say("ok", name)
}

// same is nil if both are equal as Go prints them.
func same(what string, got, want any) error {
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		return fmt.Errorf("%s: got %s, want %s", what, g, w)
	}
	return nil
}

// refused is nil if err is a refusal with this status.
func refused(err error, status int) error {
	var refusal *workos.APIError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("no refusal with %d, but %v", status, err)
	}
	return same("status", refusal.StatusCode, status)
}

func clientWith(apiKey string) *workos.Client {
	return workos.NewClient(apiKey, workos.WithBaseURL(os.Getenv("COFFER_INTEROP_URL")))
}

func object(name, value string) *workos.VaultCreateKvParams {
	return &workos.VaultCreateKvParams{Name: name, Value: value, KeyContext: keyContext}
}

func main() {
	vault := clientWith(os.Getenv("COFFER_INTEROP_KEY")).Vault()
	made := &workos.ObjectMetadata{}
	updated := &workos.ObjectWithoutValue{}

	check("create", func() error {
		created, err := vault.CreateKv(ctx, object(name, "one"))
		if err != nil {
			return err
		}
		made = created
		complete := made.ID != "" && made.EnvironmentID != "" && made.KeyID != "" && made.VersionID != nil
		return errors.Join(same("complete", complete, true), same("context", made.Context, keyContext))
	})
	check("read", func() error {
		read, err := vault.GetKv(ctx, made.ID)
		if err != nil {
			return err
		}
		return errors.Join(same("name", read.Name, name), same("value", read.Value, "one"))
	})
	check("read by name", func() error {
		read, err := vault.GetName(ctx, name)
		if err != nil {
			return err
		}
		return same("id", read.ID, made.ID)
	})
	check("describe", func() error {
		described, err := vault.ListKvMetadata(ctx, made.ID)
		if err != nil {
			return err
		}
		return same("name", described.Name, name)
	})
	check("name taken", func() error {
		_, err := vault.CreateKv(ctx, object(name, "two"))
		return refused(err, 409)
	})
	check("update", func() error {
		changed, err := vault.UpdateKv(ctx, made.ID, &workos.VaultUpdateKvParams{Value: "two"})
		if err != nil {
			return err
		}
		updated = changed
		read, err := vault.GetKv(ctx, made.ID)
		if err != nil {
			return err
		}
		return same("value", read.Value, "two")
	})
	check("version conflict", func() error {
		update := &workos.VaultUpdateKvParams{Value: "three", VersionCheck: made.VersionID}
		_, err := vault.UpdateKv(ctx, made.ID, update)
		if err = refused(err, 409); err != nil {
			return err
		}
		stale := &workos.VaultDeleteKvParams{VersionCheck: made.VersionID}
		if err = refused(vault.DeleteKv(ctx, made.ID, stale), 409); err != nil {
			return err
		}
		update.VersionCheck = updated.Metadata.VersionID
		changed, err := vault.UpdateKv(ctx, made.ID, update)
		if err == nil {
			updated = changed
		}
		return err
	})
	check("versions", func() error {
		versions, err := vault.ListKvVersions(ctx, made.ID)
		if err != nil {
			return err
		}
		current := []string{}
		for _, version := range versions.Data {
			if version.CurrentVersion {
				current = append(current, version.ID)
			}
		}
		return errors.Join(same("count", len(versions.Data), 3),
			same("current", current, []string{*updated.Metadata.VersionID}))
	})
	names := []string{name}
	all := func() (seen []string, err error) {
		objects := vault.ListKv(ctx, &workos.VaultListKvParams{})
		for objects.Next() {
			seen = append(seen, objects.Current().Name)
		}
		return seen, objects.Err()
	}
	check("list by cursor", func() error {
		for i := range 13 {
			listed := fmt.Sprintf("list/%d", i)
			names = append(names, listed)
			if _, err := vault.CreateKv(ctx, object(listed, "x")); err != nil {
				return err
			}
		}
		// This SDK shows no cursors but walks by them itself.
		seen, err := all()
		sort.Strings(seen)
		wanted := append([]string{}, names...)
		sort.Strings(wanted)
		return errors.Join(err, same("names", seen, wanted))
	})
	check("list all", func() error {
		seen, err := all()
		slices.Reverse(seen)
		return errors.Join(err, same("names", seen, names))
	})
	check("delete", func() error {
		params := &workos.VaultDeleteKvParams{VersionCheck: updated.Metadata.VersionID}
		if err := vault.DeleteKv(ctx, made.ID, params); err != nil {
			return err
		}
		_, err := vault.GetKv(ctx, made.ID)
		return refused(err, 404)
	})
	check("name free again", func() error {
		again, err := vault.CreateKv(ctx, object(name, "new"))
		if err != nil {
			return err
		}
		return same("same id", again.ID == made.ID, false)
	})
	pair := &workos.CreateDataKeyResponse{}
	check("data key", func() error {
		created, err := vault.CreateDataKey(ctx, &workos.VaultCreateDataKeyParams{Context: keyContext})
		if err != nil {
			return err
		}
		pair = created
		key, err := vault.CreateDecrypt(ctx, &workos.VaultCreateDecryptParams{Keys: pair.EncryptedKeys})
		if err != nil {
			return err
		}
		raw, _ := base64.StdEncoding.DecodeString(pair.DataKey)
		return errors.Join(same("bytes", len(raw), 32), same("key", key.DataKey, pair.DataKey))
	})
	check("rekey", func() error {
		other := map[string]string{"organization_id": "org_other"}
		params := &workos.VaultCreateRekeyParams{Context: other, EncryptedKeys: pair.EncryptedKeys}
		moved, err := vault.CreateRekey(ctx, params)
		if err != nil {
			return err
		}
		return errors.Join(same("key", moved.DataKey, pair.DataKey), same("context", moved.Context, other),
			same("same blob", moved.EncryptedKeys == pair.EncryptedKeys, false))
	})
	check("key that is none", func() error {
		_, err := vault.CreateDecrypt(ctx, &workos.VaultCreateDecryptParams{Keys: "AAAA"})
		return refused(err, 400)
	})
	check("context that may not be", func() error {
		for _, wrong := range []map[string]string{{}, {"a": ""}} {
			_, err := vault.CreateDataKey(ctx, &workos.VaultCreateDataKeyParams{Context: wrong})
			if err = refused(err, 422); err != nil {
				return err
			}
		}
		return nil
	})
	check("API key that is unknown", func() error {
		objects := clientWith("sk_unknown").Vault().ListKv(ctx, &workos.VaultListKvParams{})
		objects.Next()
		return refused(objects.Err(), 401)
	})
	check("encrypt and decrypt", func() error {
		long := strings.Repeat("0123456789", 1000)
		for _, text := range []string{"", "s3cret", "Grüße, 日本語, 🔑, e\u0301", long} {
			for _, associated := range []string{"", "user:42", "👨\u200d👩\u200d👧 ä"} {
				written, err := vault.Encrypt(ctx, text, keyContext, associated)
				if err != nil {
					return err
				}
				opened, err := vault.Decrypt(ctx, written.EncryptedData, associated)
				if err := errors.Join(err, same("text", opened, text)); err != nil {
					return err
				}
				say("wrote", written.EncryptedData, text, associated)
			}
		}
		return nil
	})
	check("wrong associated data", func() error {
		written, err := vault.Encrypt(ctx, "s3cret", keyContext, "right")
		if err != nil {
			return err
		}
		_, err = vault.Decrypt(ctx, written.EncryptedData, "wrong")
		return same("told", strings.Contains(fmt.Sprint(err), "message authentication failed"), true)
	})
	check("open what coffer wrote", func() error {
		count := 0
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fields := strings.Split(lines.Text(), "\t")
			opened, err := vault.Decrypt(ctx, fields[0], fields[2])
			if err := errors.Join(err, same("text", opened, fields[1])); err != nil {
				return err
			}
			count++
		}
		return same("many", count >= 12, true)
	})
}
