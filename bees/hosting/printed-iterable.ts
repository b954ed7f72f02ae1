/** An iterable that makes each step by `call`, and calls `end` after the last step. */
export function printedIterable<T>(iterable: AsyncIterable<T>, call: <R>(act: () => R) => R, end: () => void): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = call(() => iterable[Symbol.asyncIterator]())
      return {
        async next() {
          try {
            const step = await call(() => iterator.next())
            if (step.done === true) end()
            return step
          } catch (thrown) {
            end()
            throw thrown
          }
        },
        async return() {
          try {
            return (await call(() => iterator.return?.())) ?? { done: true, value: undefined }
          } finally {
            end()
          }
        },
      }
    },
  }
}
