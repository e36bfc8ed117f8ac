/**
 * `coffer/server`: the WorkOS-compatible Vault API over a vault of one's own.
 *
 * @module
 */
export { type App, type AppOptions, createApp, type LogEntry } from "./app.ts";
export type { ProcessGroup } from "./core/process-group.ts";
export * from "./limits.ts";
export { HOST_DEFAULT, type Listening, type ListenOptions, listen, PORT_DEFAULT } from "./node/listener.ts";
export { type Stopped, stopServer } from "./node/stop.ts";
export { joinGroup, type Member } from "./processes/member.ts";
export { type GroupOptions, HEAD_LINK, isMember, type ServingGroup, startGroup } from "./processes/start.ts";
export { WebhookWorker, type WebhookWorkerOptions } from "./webhooks/worker.ts";
