/** True for an async generator, and for any other object with `Symbol.asyncIterator`. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return value !== null && typeof value === 'object' && typeof Reflect.get(value, Symbol.asyncIterator) === 'function'
}
