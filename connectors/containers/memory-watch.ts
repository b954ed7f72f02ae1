import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Clock } from '../../processor/ports.ts'

/**
 * Looks twice a second at the memory of a process and its children, and calls `exceeded` once when it is more than `maxBytes`. Only anonymous pages
 * count. Pages of a mapped file, such as a model, do not count, because the system can drop them.
 */
export class MemoryWatch {
  /** False on a system that does not tell the memory of a process. */
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
      if (memoryOf(this.#pid) > this.#maxBytes) this.#exceeded()
      else this.#lookLater()
    })
  }
}

/** The anonymous memory of a process and its children, in bytes; 0 for a process that has ended. */
function memoryOf(pid: number): number {
  const family = new Set([String(pid)])
  let bytes = 0
  // The iteration includes entries that are added to the set during it.
  for (const one of family) {
    bytes += 1024 * Number(/^RssAnon:\s*(\d+) kB$/m.exec(textOf(`/proc/${one}/status`))?.[1] ?? 0)
    for (const thread of namesIn(`/proc/${one}/task`)) {
      for (const child of textOf(`/proc/${one}/task/${thread}/children`).split(' ')) if (child !== '' && family.size < maxFamily) family.add(child)
    }
  }
  return bytes
}

/** A process may end between two looks. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

const lookMs = 500
const maxFamily = 1000
