/** Runs a few jobs at a time. The first failure aborts the other jobs, and is thrown when all have ended. */
export async function inParallel<T>(items: readonly T[], signal: AbortSignal, job: (item: T, signal: AbortSignal) => Promise<void>): Promise<void> {
  const left = [...items]
  const failed = new AbortController()
  const both = AbortSignal.any([signal, failed.signal])
  const lane = async () => {
    for (let item = left.shift(); item !== undefined && !both.aborted; item = left.shift())
      await job(item, both).catch((thrown: unknown) => failed.abort(thrown))
  }
  await Promise.all(Array.from({ length: width }, lane))
  both.throwIfAborted()
}

const width = 4
