/** How long to wait before what has failed so often is tried again. */
export function backOffMs(failures: number): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(failures, 10))
}

const firstMs = 20
const longestMs = 1000
