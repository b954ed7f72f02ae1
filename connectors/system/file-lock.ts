import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { fileError, makeDirectory } from './file-error.ts'

/**
 * Runs `work`, which reads a file and writes the file again, while no other process does so. The lock is the file `FILE.lock`, which names its
 * holder. The lock of a dead process is taken over. Waits for at most two seconds, because nobody holds the lock for longer than a write takes.
 * Throws WAGGLE_FILE_LOCKED after two seconds, and WAGGLE_FILE_UNUSABLE if the lock cannot be written.
 */
export function withFileLock<T>(file: string, work: () => T): T {
  const lock = `${file}.lock`
  makeDirectory(dirname(file))
  acquire(lock)
  try {
    return work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function acquire(lock: string): void {
  // The link appears together with the name of its holder, so nobody sees a lock without a holder.
  const own = `${lock}.${randomUUID()}`
  try {
    writeFileSync(own, holderHere(), { mode: 0o600 })
    for (let waitedMs = 0; !isLinked(own, lock); waitedMs += pauseMs) {
      const seen = contentOf(lock)
      if (seen !== null && isDead(seen)) takeAway(lock, seen)
      else if (waitedMs >= longestWaitMs) throw locked(lock, seen)
      else Atomics.wait(sleeper, 0, 0, pauseMs)
    }
  } catch (thrown) {
    throw fileError(thrown) ?? thrown
  } finally {
    rmSync(own, { force: true })
  }
}

function isLinked(own: string, lock: string): boolean {
  try {
    linkSync(own, lock)
    return true
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw thrown
  }
}

/** Removes the lock of a dead process. Another process may have put its own lock in place at that moment; then that lock is put back. */
function takeAway(lock: string, seen: string): void {
  const aside = `${lock}.${randomUUID()}`
  try {
    renameSync(lock, aside)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return
    throw thrown
  }
  if (contentOf(aside) !== seen) isLinked(aside, lock)
  rmSync(aside, { force: true })
}

/** True if the process that holds a lock has ended. Processes of another machine or container are not visible, so they do not count as ended. */
function isDead(holder: string): boolean {
  const [pid = '', start = '', ...host] = holder.split(' ')
  if (!/^\d{1,10}$/.test(pid) || host.join(' ') !== hostname()) return false
  try {
    process.kill(Number(pid), 0)
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'ESRCH'
  }
  // A later process may have the same process id.
  return start !== '-' && startOf(Number(pid)) !== start
}

function holderHere(): string {
  return `${process.pid} ${startOf(process.pid)} ${hostname()}`
}

/** The start time of a process, in ticks since the machine's start; `-` if the system does not report it. */
function startOf(pid: number): string {
  const stat = contentOf(`/proc/${pid}/stat`)
  // The second field is the program's name in parentheses, which may have spaces.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[startField] ?? '-'
}

function contentOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function locked(lock: string, holder: string | null): WaggleError {
  const [pid = '', , ...host] = (holder ?? '').split(' ')
  return new WaggleError('WAGGLE_FILE_LOCKED', {
    message: `${lock} is held by another process (${pid === '' ? 'unknown' : `process ${pid} of ${host.join(' ')}`.slice(0, 200)})`,
    next: 'Try again. If that process has ended, delete the file.',
  })
}

/** The start time is the 22nd field of /proc/PID/stat. This index counts from the field after the name. */
const startField = 19
const pauseMs = 5
const longestWaitMs = 2000
const sleeper = new Int32Array(new SharedArrayBuffer(4))
