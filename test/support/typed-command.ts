import type { ChildProcess } from 'node:child_process'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { spawnEnding } from '../../ops/bench/ending-child.ts'

export interface TypedCommandOptions {
  readonly cwd: string
  readonly env: { readonly [name: string]: string | undefined }
}

/** A bash script, with everything that it has printed. The script ends with this process. */
export class TypedCommand {
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #waits = new Set<() => void>()
  #printed = ''
  #status: number | null = null

  constructor(script: string, { cwd, env }: TypedCommandOptions) {
    this.#child = spawnEnding('bash', ['-c', script], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#printed += text
        for (const look of this.#waits) look()
      })
    }
    this.ended = new Promise((settle) => {
      this.#child.once('close', (status) => {
        this.#status = status ?? 1
        settle()
      })
    })
  }

  get printed(): string {
    return this.#printed
  }

  /** The exit status; null while the script runs, 1 if a signal has ended it. */
  get status(): number | null {
    return this.#status
  }

  /** Waits until the output is as wanted, the script has ended, or `maxMs` have passed. */
  async until(isWanted: (printed: string) => boolean, maxMs = longestMs): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = () => {
      if (isWanted(this.#printed)) resolve()
    }
    this.#waits.add(look)
    const cancel = systemClock.after(maxMs, resolve)
    look()
    await Promise.race([promise, this.ended])
    this.#waits.delete(look)
    cancel()
  }

  /** Sends a signal to all processes of the script, as Ctrl-C does. */
  signal(name: NodeJS.Signals): void {
    if (this.#child.pid !== undefined) process.kill(-this.#child.pid, name)
  }
}

/** The longest time of a command. An installation by npm takes minutes on a busy machine. */
const longestMs = 9 * 60_000
