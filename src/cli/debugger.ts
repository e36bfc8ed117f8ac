/**
 * No debugger by signal.
 *
 * On SIGUSR1 Node opens its inspector on a port of this machine, and with it the memory of the process, keys included, to
 * every user of the machine. Where the program listens for the signal it does not. (`--disable-sigusr1` is not known before
 * Node 22.14, nor can a command choose the options of its own process.)
 *
 * Owns that one listener; imported before everything else. Must not know anything.
 *
 * @module
 */
process.on("SIGUSR1", () => {});

export {};
