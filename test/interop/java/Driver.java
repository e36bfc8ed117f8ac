import com.workos.WorkOS;
import com.workos.common.exceptions.WorkOSException;
import com.workos.common.http.Page;
import com.workos.models.CreateDataKeyResponse;
import com.workos.models.ObjectMetadata;
import com.workos.models.ObjectSummary;
import com.workos.models.ObjectVersion;
import com.workos.models.ObjectWithoutValue;
import com.workos.types.SortOrder;
import com.workos.vault.Vault;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import javax.crypto.AEADBadTagException;

/**
 * The driver of the Kotlin and Java SDK (protocol: ../protocol.ts).
 *
 * <p>Owns the checks by this SDK's calls. It has no class for 409: a refusal is told by its status.
 */
public final class Driver {
  private static final String NAME = "a/b é ?&#%";
  private static final Map<String, String> CONTEXT = Map.of("organization_id", "org_interop");
  private static final int LISTED = 13;
  private static final List<String> TEXTS =
      List.of("", "s3cret", "Grüße, 日本語, 🔑, e\u0301", "0123456789".repeat(1000));
  private static final List<String> ASSOCIATED = List.of("", "user:42", "👨\u200d👩\u200d👧 ä");
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private interface Work {
    void run() throws Exception;
  }

  private final String url = System.getenv("COFFER_INTEROP_URL");
  private final Vault vault = vaultWith(System.getenv("COFFER_INTEROP_KEY"));
  private final List<String> names = new ArrayList<>(List.of(NAME));
  private ObjectMetadata made;
  private ObjectWithoutValue updated;
  private CreateDataKeyResponse key;

  public static void main(String[] args) {
    new Driver().run();
    // The HTTP client's threads would go on for a minute.
    System.exit(0);
  }

  private void run() {
    check("create", () -> {
      made = vault.createKv(CONTEXT, NAME, "one");
      same(CONTEXT, made.getContext());
      for (String field : List.of(made.getId(), made.getEnvironmentId(), made.getKeyId(), made.getVersionId())) {
        same(false, field.isEmpty());
      }
      same(true, made.getUpdatedAt().getYear() >= 2024);
    });
    check("read", () -> {
      var read = vault.getKv(made.getId());
      same(List.of(NAME, "one", made), List.of(read.getName(), read.getValue(), read.getMetadata()));
    });
    check("read by name", () -> same(made.getId(), vault.getName(NAME).getId()));
    check("describe", () -> {
      var described = vault.listKvMetadata(made.getId());
      same(List.of(NAME, made), List.of(described.getName(), described.getMetadata()));
    });
    check("name taken", () -> refused(409, () -> vault.createKv(CONTEXT, NAME, "two")));
    check("update", () -> {
      updated = vault.updateKv(made.getId(), "two");
      same(false, updated.getMetadata().getVersionId().equals(made.getVersionId()));
      same("two", vault.getKv(made.getId()).getValue());
    });
    check("version conflict", () -> {
      refused(409, () -> vault.updateKv(made.getId(), "three", made.getVersionId()));
      refused(409, () -> vault.deleteKv(made.getId(), made.getVersionId()));
      updated = vault.updateKv(made.getId(), "three", updated.getMetadata().getVersionId());
    });
    check("versions", () -> {
      var versions = vault.listKvVersions(made.getId()).getData();
      same(3, versions.size());
      var current = versions.stream().filter(ObjectVersion::getCurrentVersion).map(ObjectVersion::getId);
      same(List.of(updated.getMetadata().getVersionId()), current.collect(Collectors.toList()));
    });
    check("list by cursor", () -> {
      for (int i = 0; i < LISTED; i++) {
        names.add("list/" + i);
        vault.createKv(CONTEXT, "list/" + i, "x");
      }
      List<String> seen = new ArrayList<>();
      String after = null;
      do {
        Page<ObjectSummary> page = vault.listKv(2, null, after);
        page.data.forEach(object -> seen.add(object.getName()));
        after = page.listMetadata.before;
      } while (after != null);
      same(names.stream().sorted().toList(), seen.stream().sorted().toList());
    });
    check("list all", () -> {
      List<String> seen = new ArrayList<>();
      vault.listKv(null, null, null, SortOrder.Asc).autoPagingIterable().forEach(o -> seen.add(o.getName()));
      same(names, seen);
    });
    check("delete", () -> {
      vault.deleteKv(made.getId(), updated.getMetadata().getVersionId());
      refused(404, () -> vault.getKv(made.getId()));
      refused(404, () -> vault.getName(NAME));
    });
    check("name free again", () -> same(false, vault.createKv(CONTEXT, NAME, "new").getId().equals(made.getId())));
    check("data key", () -> {
      key = vault.createDataKey(CONTEXT);
      // This SDK's idempotency key is made of the request: the same context must still get another key.
      same(false, vault.createDataKey(CONTEXT).getDataKey().equals(key.getDataKey()));
      same(CONTEXT, key.getContext());
      same(32, Base64.getDecoder().decode(key.getDataKey()).length);
      same(key.getDataKey(), vault.createDecrypt(key.getEncryptedKeys()).getDataKey());
    });
    check("rekey", () -> {
      Map<String, String> context = Map.of("organization_id", "org_other");
      var moved = vault.createRekey(context, key.getEncryptedKeys());
      same(context, moved.getContext());
      same(false, moved.getEncryptedKeys().equals(key.getEncryptedKeys()));
      same(key.getDataKey(), vault.createDecrypt(moved.getEncryptedKeys()).getDataKey());
    });
    check("key that is none", () -> refused(400, () -> vault.createDecrypt("AAAA")));
    check("context that may not be", () -> {
      refused(422, () -> vault.createDataKey(Map.of()));
      refused(422, () -> vault.createDataKey(Map.of("a", "")));
    });
    check("API key that is unknown", () -> refused(401, () -> vaultWith("sk_unknown").listKv()));
    check("encrypt and decrypt", () -> {
      for (String text : TEXTS) {
        for (String associated : ASSOCIATED) {
          String written = vault.encrypt(text, CONTEXT, associated);
          same(text, vault.decrypt(written, associated));
          say("wrote", written, text, associated);
        }
      }
    });
    check("wrong associated data", () -> {
      String written = vault.encrypt("s3cret", CONTEXT, "right");
      try {
        vault.decrypt(written, "wrong");
        throw new AssertionError("it was opened");
      } catch (Exception error) {
        same(AEADBadTagException.class, error.getClass());
      }
    });
    check("open what coffer wrote", () -> {
      var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      List<String> lines = input.lines().toList();
      same(true, lines.size() >= TEXTS.size() * ASSOCIATED.size());
      for (String line : lines) {
        String[] fields = line.split("\t", -1);
        same(fields[1], vault.decrypt(fields[0], fields[2]));
      }
    });
  }

  private Vault vaultWith(String apiKey) {
    return WorkOS.Companion.builder().apiKey(apiKey).apiBaseUrl(url).build().getVault();
  }

  private static void say(String... fields) {
    OUT.println(String.join("\t", fields));
  }

  private static void check(String name, Work work) {
    try {
      work.run();
      say("ok", name);
    } catch (Throwable error) {
      say("fail", name, error.toString().replaceAll("\\s+", " "));
    }
  }

  private static void same(Object want, Object got) {
    if (!Objects.equals(want, got)) throw new AssertionError("got " + got + ", want " + want);
  }

  private static void refused(int status, Work work) throws Exception {
    try {
      work.run();
    } catch (WorkOSException refusal) {
      same(status, refusal.status);
      return;
    }
    throw new AssertionError("was not refused with " + status);
  }
}
