// The driver of workos-go v6.5 (protocol: ../../protocol.ts).
//
// Owns the checks by this SDK's calls. It has no rekey, sends no version check on delete, and its errors are told apart
// by their status only.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/workos/workos-go/v6/pkg/vault"
	"github.com/workos/workos-go/v6/pkg/workos_errors"
)

const name = "a/b é"

var (
	ctx        = context.Background()
	keyContext = vault.KeyContext{"organization_id": "org_interop"}
)

func say(fields ...string) {
	fmt.Println(strings.Join(fields, "\t"))
}

func check(name string, work func() error) {
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
	var refusal workos_errors.HTTPError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("no refusal with %d, but %v", status, err)
	}
	return same("status", refusal.Code, status)
}

func main() {
	vault.DefaultClient.Endpoint = os.Getenv("COFFER_INTEROP_URL")
	vault.SetAPIKey(os.Getenv("COFFER_INTEROP_KEY"))
	var made vault.ObjectMetadata
	var updated vault.Object

	check("create", func() (err error) {
		made, err = vault.CreateObject(ctx, vault.CreateObjectOpts{Name: name, Value: "one", KeyContext: keyContext})
		if err != nil {
			return err
		}
		complete := made.Id != "" && made.EnvironmentId != "" && made.KeyId != "" && made.VersionId != "" &&
			made.UpdatedBy.Id != "" && !made.UpdatedAt.IsZero()
		return errors.Join(same("complete", complete, true), same("context", made.Context, keyContext))
	})
	check("read", func() error {
		read, err := vault.ReadObject(ctx, vault.ReadObjectOpts{Id: made.Id})
		return errors.Join(err, same("name", read.Name, name), same("value", read.Value, "one"))
	})
	check("read by name", func() error {
		// This SDK does not escape names: one without a slash.
		plain, err := vault.CreateObject(ctx, vault.CreateObjectOpts{Name: "plain", Value: "p", KeyContext: keyContext})
		if err != nil {
			return err
		}
		read, err := vault.ReadObjectByName(ctx, vault.ReadObjectByNameOpts{Name: "plain"})
		if err == nil {
			_, err = vault.DeleteObject(ctx, vault.DeleteObjectOpts{Id: plain.Id})
		}
		return errors.Join(err, same("id", read.Id, plain.Id), same("value", read.Value, "p"))
	})
	check("describe", func() error {
		described, err := vault.DescribeObject(ctx, vault.ReadObjectOpts{Id: made.Id})
		return errors.Join(err, same("name", described.Name, name), same("value", described.Value, ""),
			same("context", described.Metadata.Context, keyContext))
	})
	check("name taken", func() error {
		_, err := vault.CreateObject(ctx, vault.CreateObjectOpts{Name: name, Value: "two", KeyContext: keyContext})
		return refused(err, 409)
	})
	check("update", func() (err error) {
		updated, err = vault.UpdateObject(ctx, vault.UpdateObjectOpts{Id: made.Id, Value: "two"})
		if err != nil {
			return err
		}
		read, err := vault.ReadObject(ctx, vault.ReadObjectOpts{Id: made.Id})
		return errors.Join(err, same("answered value", updated.Value, ""), same("value", read.Value, "two"),
			same("same version", updated.Metadata.VersionId == made.VersionId, false))
	})
	check("version conflict", func() error {
		update := vault.UpdateObjectOpts{Id: made.Id, Value: "three", VersionCheck: made.VersionId}
		_, err := vault.UpdateObject(ctx, update)
		if err = refused(err, 409); err != nil {
			return err
		}
		update.VersionCheck = updated.Metadata.VersionId
		updated, err = vault.UpdateObject(ctx, update)
		return err
	})
	check("versions", func() error {
		versions, err := vault.ListObjectVersions(ctx, vault.ReadObjectOpts{Id: made.Id})
		current := []string{}
		for _, version := range versions.Data {
			if version.CurrentVersion {
				current = append(current, version.Id)
			}
		}
		return errors.Join(err, same("count", len(versions.Data), 3),
			same("current", current, []string{updated.Metadata.VersionId}))
	})
	names := []string{name}
	check("list by cursor", func() error {
		for i := range 13 {
			listed := fmt.Sprintf("list/%d", i)
			names = append(names, listed)
			options := vault.CreateObjectOpts{Name: listed, Value: "x", KeyContext: keyContext}
			if _, err := vault.CreateObject(ctx, options); err != nil {
				return err
			}
		}
		seen, err := list(vault.ListObjectsOpts{Limit: 2})
		sort.Strings(seen)
		wanted := append([]string{}, names...)
		sort.Strings(wanted)
		return errors.Join(err, same("names", seen, wanted))
	})
	check("list all", func() error {
		seen, err := list(vault.ListObjectsOpts{Order: vault.Asc})
		return errors.Join(err, same("names", seen, names))
	})
	check("delete", func() error {
		deleted, err := vault.DeleteObject(ctx, vault.DeleteObjectOpts{Id: made.Id})
		if err != nil {
			return err
		}
		_, err = vault.ReadObject(ctx, vault.ReadObjectOpts{Id: made.Id})
		return errors.Join(same("answer", deleted, vault.DeleteObjectResponse{Success: true, Name: name}),
			refused(err, 404), same("says", strings.Contains(fmt.Sprint(err), "Not Found"), true))
	})
	check("name free again", func() error {
		again, err := vault.CreateObject(ctx, vault.CreateObjectOpts{Name: name, Value: "new", KeyContext: keyContext})
		return errors.Join(err, same("same id", again.Id == made.Id, false))
	})
	check("data key", func() error {
		pair, err := vault.CreateDataKey(ctx, vault.CreateDataKeyOpts{KeyContext: keyContext})
		if err != nil {
			return err
		}
		key, err := vault.DecryptDataKey(ctx, vault.DecryptDataKeyOpts{Keys: pair.EncryptedKeys})
		raw, _ := base64.StdEncoding.DecodeString(pair.DataKey)
		return errors.Join(err, same("bytes", len(raw), 32), same("context", pair.KeyContext, keyContext),
			same("key", key, vault.DataKey{Id: pair.Id, Key: pair.DataKey}))
	})
	say("none", "rekey", "this SDK has no rekey")
	check("key that is none", func() error {
		_, err := vault.DecryptDataKey(ctx, vault.DecryptDataKeyOpts{Keys: "AAAA"})
		return refused(err, 400)
	})
	check("context that may not be", func() error {
		for _, wrong := range []vault.KeyContext{{}, {"a": 1}, {"a": ""}} {
			_, err := vault.CreateDataKey(ctx, vault.CreateDataKeyOpts{KeyContext: wrong})
			if err = refused(err, 422); err != nil {
				return err
			}
		}
		return nil
	})
	check("API key that is unknown", func() error {
		stranger := &vault.Client{APIKey: "sk_unknown", Endpoint: os.Getenv("COFFER_INTEROP_URL")}
		_, err := stranger.ListObjects(ctx, vault.ListObjectsOpts{})
		return refused(err, 401)
	})
	check("encrypt and decrypt", func() error {
		long := strings.Repeat("0123456789", 1000)
		for _, text := range []string{"", "s3cret", "Grüße, 日本語, 🔑, e\u0301", long} {
			for _, associated := range []string{"", "user:42", "👨\u200d👩\u200d👧 ä"} {
				options := vault.EncryptOpts{Data: text, KeyContext: keyContext, AssociatedData: associated}
				written, err := vault.Encrypt(ctx, options)
				if err != nil {
					return err
				}
				opened, err := vault.Decrypt(ctx, vault.DecryptOpts{Data: written, AssociatedData: associated})
				if err := errors.Join(err, same("text", opened, text)); err != nil {
					return err
				}
				say("wrote", written, text, associated)
			}
		}
		return nil
	})
	check("wrong associated data", func() error {
		options := vault.EncryptOpts{Data: "s3cret", KeyContext: keyContext, AssociatedData: "right"}
		written, err := vault.Encrypt(ctx, options)
		if err != nil {
			return err
		}
		_, err = vault.Decrypt(ctx, vault.DecryptOpts{Data: written, AssociatedData: "wrong"})
		return same("error", fmt.Sprint(err), "cipher: message authentication failed")
	})
	check("open what coffer wrote", func() error {
		count := 0
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fields := strings.Split(lines.Text(), "\t")
			opened, err := vault.Decrypt(ctx, vault.DecryptOpts{Data: fields[0], AssociatedData: fields[2]})
			if err := errors.Join(err, same("text", opened, fields[1])); err != nil {
				return err
			}
			count++
		}
		return same("many", count >= 12, true)
	})
}

// list walks to the end as WorkOS's live suite does: by what its server calls before.
func list(options vault.ListObjectsOpts) (names []string, err error) {
	for {
		page, err := vault.ListObjects(ctx, options)
		if err != nil {
			return names, err
		}
		for _, object := range page.Data {
			names = append(names, object.Name)
		}
		if page.ListMetadata.Before == "" {
			return names, nil
		}
		options.After = page.ListMetadata.Before
	}
}
