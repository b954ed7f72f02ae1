import type { Readable } from 'node:stream'
import type { Clock } from '../../processor/ports.ts'
import type { ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import type { BeeRun, BeeRunEvents } from './bee-run.ts'
import { ChosenStream } from './chosen-stream.ts'
import { ownOrigin } from './logged-line.ts'
import { ProcessLog } from './process-log.ts'

export interface ProgramRunOptions {
  readonly clock: Clock
  readonly events: BeeRunEvents
  readonly log: ProcessOptions['log']
}

/** The parts of a run that are the same for a process and for a container: the stream of messages, the logs, and the time limits of the end. */
export abstract class ProgramRun implements BeeRun {
  readonly #clock: Clock
  readonly #events: BeeRunEvents
  readonly #log: ProcessOptions['log']
  readonly #logs: ProcessLog[] = []
  #chosenStream: ChosenStream | null = null
  #isGone = false
  #onDrain = () => {}
  #cancelTimer = () => {}

  constructor({ clock, events, log }: ProgramRunOptions) {
    this.#clock = clock
    this.#events = events
    this.#log = log
  }

  get lastWords(): readonly string[] {
    return this.#logs.flatMap(({ lastLines }) => lastLines)
  }

  write(pieces: readonly Uint8Array[]): void {
    this.#chosenStream?.write(pieces)
  }

  get unreadBytes(): number {
    return this.#chosenStream?.unreadBytes ?? 0
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback
  }

  end(): void {
    this.#chosenStream?.end()
  }

  abstract kill(signal: 'SIGTERM' | 'SIGKILL'): void

  /** True when the program has ended, even if its last output is not read yet. */
  protected abstract get hasEnded(): boolean

  /** Closes the resources that only this kind of run has. Called once, before the logs and the stream are closed. */
  protected abstract release(): void

  protected get isGone(): boolean {
    return this.#isGone
  }

  protected get chosenStream(): ChosenStream | null {
    return this.#chosenStream
  }

  /** Opens the stream of messages. `stdoutIsLog` is called when standard output turns out to be a log. */
  protected openStream(
    streams: ConstructorParameters<typeof ChosenStream>[0],
    { refuseConnection, heard, stdoutIsLog = () => {} }: { refuseConnection(): void; heard(chunk: Buffer): void; stdoutIsLog?(): void },
  ): void {
    const chosenStream = new ChosenStream(streams, refuseConnection, {
      heard,
      ended: () => this.#exitSoon(),
      logs: (stdout) => {
        stdoutIsLog()
        this.addLog(stdout)
      },
    })
    chosenStream.onDrain(() => this.#onDrain())
    this.#chosenStream = chosenStream
  }

  protected addLog(stream: Readable): void {
    const hasRequest = (id: string) => this.#events.hasRequest(id)
    const log = new ProcessLog(stream, this.#clock, ({ level, message, origin }) => this.#log(level, message, ownOrigin(origin, hasRequest)))
    this.#logs.push(log)
  }

  /** Reads the rest of the logs without their limit of bytes a second. */
  protected drainLogs(): void {
    for (const log of this.#logs) log.drain()
  }

  /** Calls `act` after `ms`. Replaces the plan of an earlier call. */
  protected planEnd(ms: number, act: () => void): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.after(ms, act)
  }

  /** Ends the run. Only the first call has an effect. `atEnd` calls its argument when the logs have their last lines. */
  protected gone(why: string, atEnd: (close: () => void) => void = (close) => close()): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#cancelTimer()
    this.release()
    atEnd(() => {
      for (const log of this.#logs) log.end()
      this.#chosenStream?.destroy()
      this.#events.gone(why)
    })
  }

  /** Kills a program that has closed its output and does not exit soon. Such a program cannot answer calls any more. */
  #exitSoon(): void {
    if (!this.#isGone && !this.hasEnded) this.planEnd(drainMs, () => this.kill('SIGKILL'))
  }
}

/** The time from the end of a program to the end of its output. */
export const drainMs = 1000
