import { Session } from 'node:inspector'
import type { Clock } from '../../processor/ports.ts'
import type { CpuProfile, ThreadProfile } from '../../topology/swarm/process-debug.ts'

/** Calls a method of V8's inspector in one thread. */
type Post = (method: string, params?: object) => Promise<unknown>

interface OpenThread {
  readonly thread: string
  readonly file: string
  readonly post: Post
}

/**
 * Samples all JavaScript threads of this process until `ended` settles. `begun` is called when all threads are being sampled, except those that do not
 * answer. V8 samples the threads through Node's inspector, which opens no port, so the threads need not cooperate.
 */
export async function threadProfiles(
  clock: Clock,
  { begun, ended }: { readonly begun: () => void; readonly ended: Promise<void> },
): Promise<readonly ThreadProfile[]> {
  const session = new Session()
  session.connect()
  try {
    const main: OpenThread = { thread: 'main', file: '', post: postOf(session) }
    const workers = await workersOf(session, main.post)
    const threads = [main, ...workers]
    await Promise.all(threads.map(({ post }) => within(clock, answerMs, begin(post))))
    begun()
    await ended
    return await Promise.all(
      threads.map(async ({ thread, file, post }): Promise<ThreadProfile> => {
        const got = await within(clock, answerMs, end(post))
        return { thread, file, cpu: got?.cpu ?? null, allocations: got?.allocations ?? null }
      }),
    )
  } finally {
    session.disconnect()
  }
}

async function begin(post: Post): Promise<void> {
  await post('Profiler.enable')
  await post('Profiler.setSamplingInterval', { interval: sampleMicroseconds })
  await post('Profiler.start')
  const collected = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true }
  await post('HeapProfiler.startSampling', { samplingInterval: sampleBytes, ...collected })
}

async function end(post: Post): Promise<{ readonly cpu: CpuProfile; readonly allocations: object }> {
  const { profile: cpu } = (await post('Profiler.stop')) as { readonly profile: CpuProfile }
  const { profile: allocations } = (await post('HeapProfiler.stopSampling')) as { readonly profile: object }
  await post('Profiler.disable')
  return { cpu, allocations }
}

function postOf(session: Session): Post {
  return (method, params = {}) =>
    new Promise((resolve, reject) => session.post(method, params, (error, result) => (error === null ? resolve(result) : reject(error))))
}

/** The running worker threads. Their messages go through the session of the main thread. */
async function workersOf(session: Session, post: Post): Promise<readonly OpenThread[]> {
  const workers: OpenThread[] = []
  const waiting = new Map<string, { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void }>()
  let next = 1
  const sentTo = (sessionId: string): Post => {
    return (method, params = {}) =>
      new Promise((resolve, reject) => {
        const id = next++
        waiting.set(`${sessionId}/${id}`, { resolve, reject })
        post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject)
      })
  }
  session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
    const { id, result, error } = JSON.parse(message) as {
      readonly id?: number
      readonly result?: unknown
      readonly error?: { readonly message: string }
    }
    const call = waiting.get(`${sessionId}/${id}`)
    waiting.delete(`${sessionId}/${id}`)
    if (error === undefined) call?.resolve(result)
    else call?.reject(new Error(error.message))
  })
  session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
    if (workers.length < maxWorkers) workers.push({ thread: `thread-${workerInfo.workerId}`, file: workerInfo.url, post: sentTo(sessionId) })
  })
  await post('NodeWorker.enable', { waitForDebuggerOnStart: false })
  return workers
}

/** The result, or undefined if the result does not arrive in time. A thread that computes without a pause does not answer. */
async function within<T>(clock: Clock, ms: number, result: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const cancel = clock.after(ms, () => resolve(undefined))
  try {
    return await Promise.race([result.catch(() => undefined), late])
  } finally {
    cancel()
  }
}

const sampleMicroseconds = 1000
const sampleBytes = 128 * 1024
const answerMs = 5000
const maxWorkers = 64
