import { existsSync, readFileSync } from 'node:fs'
import type { Clock } from '../../processor/ports.ts'
import { namesIn } from '../system/folder-names.ts'

/**
 * Reads the memory of a process and its children twice a second, and calls `exceeded` once when it is more than `maxBytes`. Only anonymous pages
 * count. Pages of a mapped file, such as a model, do not count, because the system can drop them.
 */
export class MemoryWatch {
  /** False on a system that does not report the memory of a process. */
  static readonly isPossible = existsSync('/proc/self/task')
  readonly #pid: number
  readonly #maxBytes: number
  readonly #clock: Clock
  readonly #exceeded: () => void
  #cancel = () => {}

  constructor(pid: number, { maxBytes, clock, exceeded }: { readonly maxBytes: number; readonly clock: Clock; readonly exceeded: () => void }) {
    this.#pid = pid
    this.#maxBytes = maxBytes
    this.#clock = clock
    this.#exceeded = exceeded
    if (MemoryWatch.isPossible) this.#lookLater()
  }

  close(): void {
    this.#cancel()
  }

  #lookLater(): void {
    this.#cancel = this.#clock.after(lookMs, () => {
      if (hasMoreThan(this.#maxBytes, this.#pid)) this.#exceeded()
      else this.#lookLater()
    })
  }
}

/** True if a process and its children have more anonymous memory than `bytes`. Pages that forked children share count once. */
function hasMoreThan(bytes: number, pid: number): boolean {
  const family = familyOf(pid)
  const quick = family.map((one) => ({ one, resident: kilobytes(`/proc/${one}/status`, /^RssAnon:\s*(\d+) kB$/m) ?? 0 }))
  if (1024 * sum(quick.map(({ resident }) => resident)) <= bytes) return false
  // The kernel needs longer to compute the shares of pages than to count the pages.
  const shares = quick.map(({ one, resident }) => kilobytes(`/proc/${one}/smaps_rollup`, /^Pss_Anon:\s*(\d+) kB$/m) ?? resident)
  return 1024 * sum(shares) > bytes
}

function familyOf(pid: number): readonly string[] {
  const family = new Set([String(pid)])
  // The iteration includes entries that are added to the set during it.
  for (const one of family) {
    for (const thread of namesIn(`/proc/${one}/task`)) {
      for (const child of textOf(`/proc/${one}/task/${thread}/children`).split(' ')) if (child !== '' && family.size < maxFamily) family.add(child)
    }
  }
  return [...family]
}

/** The number on a line of a file; null if the system does not have the file or the line. */
function kilobytes(path: string, line: RegExp): number | null {
  const found = line.exec(textOf(path))?.[1]
  return found === undefined ? null : Number(found)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

/** The text of a file of /proc; empty if the process has ended since. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

const lookMs = 500
const maxFamily = 1000
