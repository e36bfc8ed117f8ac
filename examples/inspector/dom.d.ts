/** What the compiler's DOM library does not know yet: a transform stream tells that its reading side was cancelled. */
interface Transformer<I, O> {
  cancel?: (reason: unknown) => void | PromiseLike<void>;
}
