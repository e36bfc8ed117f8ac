//! The driver of the `workos` crate (protocol: ../../protocol.ts).
//!
//! Owns the checks by this SDK's calls. Besides Go 7 and later and Swift it is the one that writes and reads `leb-first`.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::io::BufRead;

use futures_util::TryStreamExt;
use workos::models::*;
use workos::vault::*;
use workos::{Client, Error};

const NAME: &str = "a/b é ?&#%";
const LISTED: usize = 13;
const ASSOCIATED: [&str; 3] = ["", "user:42", "👨\u{200d}👩\u{200d}👧 ä"];

type Outcome<T = ()> = Result<T, String>;

fn context(organization: &str) -> HashMap<String, String> {
    HashMap::from([("organization_id".into(), organization.into())])
}

fn same<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Outcome {
    if got == want {
        return Ok(());
    }
    Err(format!("{what}: got {got:?}, want {want:?}"))
}

fn done<T>(result: Result<T, Error>) -> Outcome<T> {
    result.map_err(|error| error.to_string())
}

fn refused<T>(result: Result<T, Error>, status: u16) -> Outcome {
    match result {
        Ok(_) => Err(format!("was not refused with {status}")),
        Err(error) => same("status", error.status(), Some(status)),
    }
}

async fn check<T: Default>(name: &str, work: impl Future<Output = Outcome<T>>) -> T {
    match work.await {
        Ok(made) => {
            println!("ok\t{name}");
            made
        }
        Err(why) => {
            println!("fail\t{name}\t{}", why.split_whitespace().collect::<Vec<_>>().join(" "));
            T::default()
        }
    }
}

fn client(api_key: &str) -> Client {
    let url = std::env::var("COFFER_INTEROP_URL").expect("a URL");
    Client::builder().api_key(api_key).base_url(url).build()
}

fn object(name: &str, value: &str) -> CreateKvParams {
    CreateKvParams::new(CreateObjectRequest {
        key_context: context("org_interop"),
        name: name.into(),
        value: value.into(),
    })
}

fn change(value: &str, version_check: Option<String>) -> UpdateKvParams {
    UpdateKvParams::new(UpdateObjectRequest { value: value.into(), version_check })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = client(&std::env::var("COFFER_INTEROP_KEY").expect("an API key"));
    let vault = client.vault();
    let mut names = vec![NAME.to_string()];

    let (id, first) = check("create", async {
        let made = done(vault.create_kv(object(NAME, "one")).await)?;
        same("context", made.context, context("org_interop"))?;
        let version = made.version_id.unwrap_or_default();
        for field in [&made.id, &made.environment_id, &made.key_id, &made.updated_by.id, &version] {
            same("is empty", field.is_empty(), false)?;
        }
        Ok((made.id, version))
    })
    .await;
    check("read", async {
        let read = done(vault.get_kv(&id).await)?;
        same("object", (read.name.as_str(), read.value.expose()), (NAME, "one"))
    })
    .await;
    check("read by name", async { same("id", done(vault.get_name(NAME).await)?.id, id.clone()) }).await;
    check("describe", async {
        let described = done(vault.list_kv_metadata(&id).await)?;
        same("version", described.metadata.version_id, Some(first.clone()))
    })
    .await;
    check("name taken", async { refused(vault.create_kv(object(NAME, "two")).await, 409) }).await;
    let second = check("update", async {
        let updated = done(vault.update_kv(&id, change("two", None)).await)?;
        same("value", done(vault.get_kv(&id).await)?.value.expose(), "two")?;
        Ok(updated.metadata.version_id.unwrap_or_default())
    })
    .await;
    let third = check("version conflict", async {
        refused(vault.update_kv(&id, change("3", Some(first.clone()))).await, 409)?;
        let stale = DeleteKvParams { version_check: Some(first.clone()) };
        refused(vault.delete_kv(&id, stale).await, 409)?;
        let updated = done(vault.update_kv(&id, change("3", Some(second.clone()))).await)?;
        Ok(updated.metadata.version_id.unwrap_or_default())
    })
    .await;
    check("versions", async {
        let versions = done(vault.list_kv_versions(&id).await)?.data;
        same("count", versions.len(), 3)?;
        let current: Vec<_> = versions.into_iter().filter(|v| v.current_version).map(|v| v.id).collect();
        same("current", current, vec![third.clone()])
    })
    .await;
    for i in 0..LISTED {
        names.push(format!("list/{i}"));
    }
    check("list by cursor", async {
        for name in &names[1..] {
            done(vault.create_kv(object(name, "x")).await)?;
        }
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let params = ListKvParams { limit: Some(2), after, ..Default::default() };
            let page = done(vault.list_kv(params).await)?;
            seen.extend(page.data.into_iter().map(|object| object.name));
            after = page.list_metadata.before;
            if after.is_none() {
                break;
            }
        }
        seen.reverse();
        same("names", &seen, &names)
    })
    .await;
    check("list all", async {
        let all: Vec<ObjectSummary> =
            done(vault.list_kv_auto_paging(ListKvParams::default()).try_collect().await)?;
        let seen: Vec<_> = all.into_iter().rev().map(|object| object.name).collect();
        same("names", &seen, &names)
    })
    .await;
    check("delete", async {
        let current = DeleteKvParams { version_check: Some(third.clone()) };
        done(vault.delete_kv(&id, current).await)?;
        refused(vault.get_kv(&id).await, 404)?;
        refused(vault.get_name(NAME).await, 404)
    })
    .await;
    check("name free again", async {
        let again = done(vault.create_kv(object(NAME, "new")).await)?;
        same("same id", again.id == id, false)
    })
    .await;
    let (key, blob) = check("data key", async {
        let request = CreateDataKeyRequest { context: context("org_interop") };
        let pair = done(vault.create_data_key(CreateDataKeyParams::new(request)).await)?;
        same("context", pair.context, context("org_interop"))?;
        let keys = pair.encrypted_keys.into_inner();
        let opened = done(vault.create_decrypt(CreateDecryptParams::new(DecryptRequest { keys: keys.clone() })).await)?;
        same("key", (&opened.id, opened.data_key.expose()), (&pair.id, pair.data_key.expose()))?;
        Ok((pair.data_key.into_inner(), keys))
    })
    .await;
    check("rekey", async {
        let request = RekeyRequest { context: context("org_other"), encrypted_keys: blob.clone().into() };
        let moved = done(vault.create_rekey(CreateRekeyParams::new(request)).await)?;
        same("context", moved.context, context("org_other"))?;
        same("same blob", moved.encrypted_keys.expose() == blob, false)?;
        let keys = moved.encrypted_keys.into_inner();
        let opened = done(vault.create_decrypt(CreateDecryptParams::new(DecryptRequest { keys })).await)?;
        same("key", opened.data_key.expose(), key.as_str())
    })
    .await;
    check("key that is none", async {
        let request = DecryptRequest { keys: "AAAA".into() };
        refused(vault.create_decrypt(CreateDecryptParams::new(request)).await, 400)
    })
    .await;
    check("context that may not be", async {
        for wrong in [HashMap::new(), context("")] {
            let request = CreateDataKeyRequest { context: wrong };
            refused(vault.create_data_key(CreateDataKeyParams::new(request)).await, 422)?;
        }
        Ok(())
    })
    .await;
    check("API key that is unknown", async {
        let stranger = self::client("sk_unknown");
        refused(stranger.vault().list_kv(ListKvParams::default()).await, 401)
    })
    .await;
    let long = "0123456789".repeat(1000);
    let texts = ["", "s3cret", "Grüße, 日本語, 🔑, e\u{301}", &long];
    check("encrypt and decrypt", async {
        for text in texts {
            for associated in ASSOCIATED {
                let written = done(vault.encrypt(text, context("org_interop"), associated).await)?.encrypted_data;
                same("text", done(vault.decrypt(&written, associated).await)?.as_str(), text)?;
                println!("wrote\t{written}\t{text}\t{associated}");
            }
        }
        Ok(())
    })
    .await;
    check("wrong associated data", async {
        let written = done(vault.encrypt("s3cret", context("org_interop"), "right").await)?.encrypted_data;
        match vault.decrypt(&written, "wrong").await {
            Err(Error::VaultCrypto(_)) => Ok(()),
            other => Err(format!("no crypto error, but {other:?}")),
        }
    })
    .await;
    check("open what coffer wrote", async {
        let mut count = 0;
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| error.to_string())?;
            let fields: Vec<_> = line.split('\t').collect();
            same("text", done(vault.decrypt(fields[0], fields[2]).await)?.as_str(), fields[1])?;
            count += 1;
        }
        same("many", count >= texts.len() * ASSOCIATED.len(), true)
    })
    .await;
}
