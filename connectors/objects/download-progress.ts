import type { Clock } from '../../processor/ports.ts'

/** Logs every few seconds how much of a model has been fetched. */
export class DownloadProgress {
  readonly #what: string
  readonly #clock: Clock
  readonly #log: (level: 'info', message: string) => void
  /** The bytes that have been fetched in all attempts. */
  bytes = 0
  /** The bytes of the model that are on this disk now. */
  #here = 0
  #cancel = () => {}

  constructor(what: string, clock: Clock, log: (level: 'info', message: string) => void) {
    this.#what = what
    this.#clock = clock
    this.#log = log
  }

  begin(allBytes: number): void {
    this.#here = 0
    let before = this.bytes
    const tell = () => {
      this.#cancel = this.#clock.after(everyMs, () => {
        const rate = (this.bytes - before) / (everyMs / 1000)
        before = this.bytes
        this.#log('info', `fetching ${this.#what}: ${megabytes(this.#here)} of ${megabytes(allBytes)} MB are here, ${megabytes(rate)} MB/s`)
        tell()
      })
    }
    tell()
  }

  kept(bytes: number): void {
    this.#here += bytes
  }

  came(bytes: number): void {
    this.bytes += bytes
    this.#here += bytes
  }

  end(): void {
    this.#cancel()
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

const everyMs = 5000
