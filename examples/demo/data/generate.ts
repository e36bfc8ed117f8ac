/**
 * `node examples/demo/data/generate.ts`: makes app.env and customers.csv, the demo's input.
 *
 * Owns what they hold: the form of real data, none of it real. Mail goes to example.com, IBANs have the check digits
 * 00 (never valid), secrets say that they are fake. The same seed gives the same bytes.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatCsv } from "../csv.ts";

const SEED = 20260131;
const ROWS = 3_000;
const TENANTS = 12;

const GIVEN_NAMES = "Ada,Bo,Chloé,Đorđe,Elif,Franz,Grace,Hüseyin,Ines,José,Kofi".split(",");
const FAMILY_NAMES = "Álvarez,Björk,de la Cruz,Müller,Nguyễn,O'Neill,Şahin,Smith-Jones".split(",");
/** Written in one piece, in scripts that Latin letters do not cover. */
const WHOLE_NAMES = "李小龍,محمد علي,Иван Петров,Γιώργος Παπάς,अमित शर्मा,김민준,Zoe\u0308 Combining".split(
  ",",
);
const COUNTRIES = ["DE", "FR", "NL", "ES", "AT", "BE"];
const NOTES = [
  "",
  "",
  "Prefers e-mail, not phone",
  'Said: "never call before 10"',
  "Billing address differs,\nsee contract",
  "=SUM(A1:A9) is only text here",
  "  two blanks before and after  ",
  "🎉 customer since the first day; naïve café",
  "Asked for a copy of all data (GDPR, Art. 15)",
  '","',
];

/** For tokens: no character that looks like another. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789";

/** mulberry32: small and the same everywhere. Never for keys: the seed gives every number. */
function seeded(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (n: number): number => Math.floor(next() * n),
    of: <T>(choices: readonly T[]): T => choices[Math.floor(next() * choices.length)]!,
    text: (length: number, alphabet: string): string =>
      Array.from({ length }, () => alphabet[Math.floor(next() * alphabet.length)]).join(""),
  };
}

/** Customers of twelve tenants, org_01 to org_12, in mixed order. */
export function customersCsv(rows = ROWS, seed = SEED): string {
  const random = seeded(seed);
  const lines = [["id", "organization_id", "name", "email", "iban", "note"]];
  for (let id = 1; id <= rows; id++) {
    const given = random.of(GIVEN_NAMES);
    const family = random.of(FAMILY_NAMES);
    const name = random.below(8) === 0 ? random.of(WHOLE_NAMES) : `${given} ${family}`;
    const latin = `${given}.${family}`.normalize("NFD").replace(/[^A-Za-z.]/g, "");
    lines.push([
      `cus_${String(id).padStart(5, "0")}`,
      `org_${String(1 + random.below(TENANTS)).padStart(2, "0")}`,
      name,
      random.below(40) === 0 ? "" : `${latin.toLowerCase()}${id}@example.com`,
      random.below(15) === 0 ? "" : `${random.of(COUNTRIES)}00${random.text(18, "0123456789")}`,
      random.of(NOTES),
    ]);
  }
  return formatCsv(lines);
}

/** Settings of a made-up billing service. */
export function appEnv(seed = SEED): string {
  const random = seeded(seed);
  const fake = (length: number): string => `fake_${random.text(length, ALPHABET)}`;
  return `# Made by examples/demo/data/generate.ts. Every value is fake.
DATABASE_URL=postgres://billing:${fake(16)}@db.example.internal:5432/billing?sslmode=verify-full
DATABASE_REPLICA_URL="postgres://reader:${fake(16)}@replica.example.internal:5432/billing"
REDIS_URL=rediss://:${fake(20)}@cache.example.internal:6380/0
SESSION_SECRET=${fake(48)}
JWT_SIGNING_KEY=${fake(64)}
COOKIE_PEPPER='${fake(12)} with blanks # and a hash'

# Other services
PAYMENTS_API_KEY=${fake(32)}
PAYMENTS_WEBHOOK_SECRET=${fake(32)}
MAIL_SMTP_PASSWORD="${fake(18)} 'quoted'"
MAIL_FROM="Büro für Rechnungen 📬 <billing@example.com>"
OBJECT_STORE_ACCESS_KEY=${fake(20)}
OBJECT_STORE_SECRET_KEY=${fake(40)}
OAUTH_CLIENT_SECRET=${fake(36)}
SCIM_BEARER_TOKEN=${fake(43)}
ERROR_TRACKER_DSN=https://${fake(24)}@errors.example.com/42
GRAFANA_PASSWORD=${fake(14)}
FEATURE_FLAGS={"newInvoices":true,"tiers":["free","pro"]}

# A value of several lines, and an empty one
SIGNING_CERTIFICATE="-----BEGIN FAKE CERTIFICATE-----
${fake(59)}
${fake(59)}
-----END FAKE CERTIFICATE-----"
LEGACY_TOKEN=
`;
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, "app.env"), appEnv());
  writeFileSync(join(import.meta.dirname, "customers.csv"), customersCsv());
}
