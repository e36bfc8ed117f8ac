/**
 * A proxy before PostgreSQL that breaks connections at the worst moment: while a write of the store is committed. Or it
 * swallows: it takes every byte and gives none on, as a network that drops packets.
 *
 * Owns the reading of what goes by (PostgreSQL's protocol 3.0) as far as it needs to. Must not know coffer.
 *
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** How the next COMMIT of a write fares: lost on its way, done but not answered, answered by the server's last words. */
export type CutMode = "before" | "after" | "fatal" | "swallow";

export class PostgresProxy {
  readonly #server: Server;
  #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  readonly #deafeners: (() => void)[] = [];
  #armed: { mode: CutMode; pattern: RegExp } | undefined;
  /** Takes all bytes, gives none on; connections that have lived through it stay so. */
  isSwallowing = false;
  cuts = 0;
  /** That clients have sent. */
  packets = 0;
  #cutAt = 0;

  private constructor(server: Server, target: { host: string; port: number }) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (socket) => this.#relay(socket));
  }

  /** Stands before the server of a URL. @returns it, and the URL that leads through it */
  static async before(url: string): Promise<{ proxy: PostgresProxy; url: string }> {
    const through = new URL(url);
    const server = createServer();
    const proxy = new PostgresProxy(server, { host: through.hostname, port: Number(through.port) });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    through.port = String((server.address() as { port: number }).port);
    return { proxy, url: through.href };
  }

  /** Breaks the next COMMIT of a transaction that has sent a statement like this. */
  cutNext(mode: CutMode, pattern: RegExp): void {
    this.#armed = { mode, pattern };
  }

  /** Breaks the connection over which the so-manyth packet from now on comes; it is not given on. */
  cutAt(packet: number): void {
    this.#cutAt = this.packets + packet;
  }

  /** All connections of now swallow from now on, later ones do not. */
  deafen(): void {
    for (const kill of this.#deafeners) kill();
  }

  /** Breaks all connections of now. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Later connections lead to another port of the same machine. */
  leadTo(port: number): void {
    this.#target = { ...this.#target, port };
  }

  async close(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket): void {
    let isDead = this.isSwallowing;
    this.#deafeners.push(() => {
      isDead = true;
    });
    const swallows = (): boolean => {
      isDead ||= this.isSwallowing;
      return isDead;
    };
    const server = connect(this.#target);
    /** What the transaction under way has sent. */
    let sent = "";
    let isMute = false;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    const cut = (): void => {
      client.destroy();
      server.destroy();
    };
    server.on("data", (bytes) => {
      if (swallows()) return;
      if (!isMute) client.write(bytes);
      else cut(); // The answer to COMMIT: it happened, and the client never hears of it.
    });
    client.on("data", (bytes) => {
      if (swallows()) return;
      this.packets += 1;
      if (this.packets === this.#cutAt) {
        this.cuts += 1;
        cut();
        return;
      }
      const text = bytes.toString("latin1");
      if (text.includes("BEGIN")) sent = "";
      sent += text;
      // Alone, or behind the statements that it is sent with.
      const isCommit = text.includes("COMMIT\0");
      if (!isCommit || this.#armed === undefined || !this.#armed.pattern.test(sent)) {
        server.write(bytes);
        return;
      }
      const { mode } = this.#armed;
      this.#armed = undefined;
      this.cuts += 1;
      if (mode === "swallow") {
        isDead = true;
      } else if (mode === "after") {
        isMute = true;
        server.write(bytes);
      } else {
        if (mode === "fatal") client.write(lastWords());
        setImmediate(cut);
      }
    });
  }
}

/** An ErrorResponse of severity FATAL, as from a server that is shut down. */
function lastWords(): Buffer {
  const fields = Buffer.from("SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0");
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}
