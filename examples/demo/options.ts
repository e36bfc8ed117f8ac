/**
 * The demo's command line.
 *
 * Owns options, defaults and help. Must not know what the demo does with them.
 *
 * @module
 */
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

export interface DemoOptions {
  readonly env: string;
  readonly csv: string;
  readonly idColumn: string;
  readonly tenantColumn: string;
  readonly out: string;
}

/** The bundled input. */
const DATA = relative(process.cwd(), join(import.meta.dirname, "data"));

export const HELP = `Encrypts the secrets of a .env file and the fields of a CSV file, and shows what can be done with them then.

  npm run demo
  npm run demo -- --env PATH --csv PATH --tenant-column NAME

Options:
  --env PATH            the secrets, NAME=value lines       (default: a bundled app.env)
  --csv PATH            the rows, with a header line        (default: a bundled customers.csv)
  --id-column NAME      names a row; stays readable         (default: id)
  --tenant-column NAME  whose row it is; stays readable     (default: organization_id)
  --out DIR             gets a new folder run-1, run-2, …   (default: demo-output)
  --help                this text

Your files are only read. Each run makes a vault of its own in a new folder; nothing is ever overwritten.
`;

/**
 * @returns undefined if help was asked for
 * @throws TypeError with the code ERR_PARSE_ARGS_… for an unknown option or a missing value
 */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      env: { type: "string", default: join(DATA, "app.env") },
      csv: { type: "string", default: join(DATA, "customers.csv") },
      "id-column": { type: "string", default: "id" },
      "tenant-column": { type: "string", default: "organization_id" },
      out: { type: "string", default: "demo-output" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    env: values.env,
    csv: values.csv,
    idColumn: values["id-column"],
    tenantColumn: values["tenant-column"],
    out: values.out,
  };
}
