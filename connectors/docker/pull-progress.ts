import type { Clock } from '../../processor/ports.ts'

/**
 * Logs the progress of a pull, at most every two seconds. Docker reports the progress of each layer, but the size of a layer only when its download
 * begins.
 */
export class PullProgress {
  readonly #image: string
  readonly #clock: Clock
  readonly #say: (line: string) => void
  readonly #layers = new Map<string, { readonly done: number; readonly all: number }>()
  #saidAt: number

  constructor(image: string, clock: Clock, say: (line: string) => void) {
    this.#image = image
    this.#clock = clock
    this.#say = say
    this.#saidAt = clock.elapsedMs()
  }

  /** Takes one line of Docker's progress. Any other line is ignored. */
  add(event: unknown): void {
    if (event === null || typeof event !== 'object') return
    const { id, status, progressDetail } = event as { readonly id?: unknown; readonly status?: unknown; readonly progressDetail?: unknown }
    const known = typeof id === 'string' ? this.#layers.get(id) : undefined
    if (known !== undefined && status === 'Download complete') this.#layers.set(String(id), { done: known.all, all: known.all })
    if (typeof id !== 'string' || status !== 'Downloading' || progressDetail === null || typeof progressDetail !== 'object') return
    const { current, total } = progressDetail as { readonly current?: unknown; readonly total?: unknown }
    if (typeof current !== 'number' || typeof total !== 'number') return
    this.#layers.set(id, { done: current, all: total })
    const now = this.#clock.elapsedMs()
    if (now - this.#saidAt < betweenMs) return
    this.#saidAt = now
    const sum = (of: (layer: { readonly done: number; readonly all: number }) => number) =>
      [...this.#layers.values()].reduce((bytes, layer) => bytes + of(layer), 0)
    this.#say(
      `pulling ${this.#image}: ${megabytes(sum(({ done }) => done))} of ${megabytes(sum(({ all }) => all))} MB of ${this.#layers.size} layers`,
    )
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)
}

const betweenMs = 2000
