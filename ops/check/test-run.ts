import { readFileSync, readlinkSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { spawnEnding } from '../bench/ending-child.ts'

const root = resolve(import.meta.dirname, '..', '..')

export interface TestRunOptions {
  readonly env?: { readonly [name: string]: string | undefined }
  /** The longest time of a run. Default: no limit. */
  readonly longestMs?: number
}

/**
 * Runs Node's test runner in a new process group. Returns the exit status of the runner, or 1 if the run was interrupted. All processes of the run
 * end when this process or its parent `npm test` ends, even by SIGKILL.
 */
export function runTests(argv: readonly string[], { env = process.env, longestMs = Number.POSITIVE_INFINITY }: TestRunOptions = {}): Promise<number> {
  const child = spawnEnding(process.execPath, argv, { cwd: root, stdio: 'inherit', env })
  const startedMs = systemClock.elapsedMs()
  const starters = nodeAncestors()
  const end = (why: string) => {
    process.stdout.write(`The tests were stopped: ${why}\n`)
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
  const watch = setInterval(() => {
    if (!starters.every(isThere)) end('the process that started them is gone')
    else if (systemClock.elapsedMs() - startedMs > longestMs) end(`they took longer than ${longestMs / 60_000} minutes`)
  }, lookEveryMs)
  const { promise, resolve: settle } = Promise.withResolvers<number>()
  child.once('error', (error) => settle(failed(error.message)))
  child.once('exit', (status) => settle(status ?? 1))
  return promise.finally(() => clearInterval(watch))
}

function failed(why: string): number {
  process.stdout.write(`The tests do not start: ${why}\n`)
  return 1
}

/**
 * The ids of the parent processes that run Node, such as npm and the program that started npm. The search stops at a shell, because a shell may end
 * before its job ends.
 */
function nodeAncestors(): readonly number[] {
  const found: number[] = []
  try {
    for (let pid = process.ppid; basename(readlinkSync(`/proc/${pid}/exe`)) === 'node'; ) {
      found.push(pid)
      pid = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    }
  } catch {
    // The system is not Linux, or the process belongs to another user.
  }
  return found
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const lookEveryMs = 500
