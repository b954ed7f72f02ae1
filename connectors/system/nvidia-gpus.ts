import { type ChildProcess, execFile } from 'node:child_process'
import type { Clock } from '../../processor/ports.ts'

/** The state of one GPU. A value that the GPU does not tell is null. */
export interface GpuReading {
  /** The number that `nvidia-smi` gives the GPU. */
  readonly index: string
  readonly uuid: string
  readonly name: string
  /** The part of the time in which a kernel ran, from 0 to 1. */
  readonly utilization: number | null
  readonly usedBytes: number | null
  readonly totalBytes: number | null
  readonly celsius: number | null
  readonly watts: number | null
}

export interface NvidiaGpusOptions {
  readonly clock: Pick<Clock, 'after' | 'elapsedMs'>
  /** Default: `nvidia-smi`, found in PATH. */
  readonly program?: string
}

/**
 * The NVIDIA GPUs of this machine, as `nvidia-smi` tells them. Nobody waits for the program: `readings` are those of its last run, and the next run begins
 * 5 s after the end of the last one, as long as somebody asks. A run has 5 s. Without the program there are no readings, and it is not looked for again.
 */
export class NvidiaGpus {
  readonly #clock: NvidiaGpusOptions['clock']
  readonly #program: string
  #readings: readonly GpuReading[] = []
  #askedAtMs = 0
  /** True from the start of a run to the start of the next one, and for good without the program. */
  #isBusy = false
  #isClosed = false
  #child: ChildProcess | null = null
  #cancelTimer = () => {}

  constructor({ clock, program = 'nvidia-smi' }: NvidiaGpusOptions) {
    this.#clock = clock
    this.#program = program
  }

  /** The readings of the last run; none before the end of the first run, and none after a run that failed. */
  get readings(): readonly GpuReading[] {
    this.#askedAtMs = this.#clock.elapsedMs()
    if (!this.#isBusy && !this.#isClosed) this.#run()
    return this.#readings
  }

  close(): void {
    this.#isClosed = true
    this.#readings = []
    this.#cancelTimer()
    this.#child?.kill('SIGKILL')
  }

  #run(): void {
    this.#isBusy = true
    const options = { timeout: maxRunMs, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes, windowsHide: true } as const
    this.#child = execFile(this.#program, [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'], options, (error, output) => {
      this.#child = null
      if (this.#isClosed) return
      this.#readings = error === null ? gpuReadings(output) : []
      if (error !== null && (error.code === 'ENOENT' || error.code === 'EACCES')) return
      this.#cancelTimer = this.#clock.after(error === null ? pauseMs : pauseAfterFailureMs, () => this.#runAgain())
    })
  }

  /** Stops if nobody has asked for a while, so that an unwatched process starts no programs. */
  #runAgain(): void {
    if (this.#clock.elapsedMs() - this.#askedAtMs <= maxUnaskedMs) this.#run()
    else {
      this.#isBusy = false
      this.#readings = []
    }
  }
}

/** The readings in the output of `nvidia-smi`. Lines that are no rows of the query, such as warnings, are skipped. */
export function gpuReadings(output: string): readonly GpuReading[] {
  const rows = output.split('\n').flatMap((line) => {
    const values = line.split(',').map((value) => value.trim())
    const [index = '', uuid = '', name = '', ...numbers] = values
    if (values.length !== fields.length || !/^\d{1,4}$/.test(index)) return []
    const [utilization, used, total, celsius, watts] = numbers.map(numberIn)
    return [
      {
        ...{ index, uuid: uuid.slice(0, maxNameCharacters), name: name.slice(0, maxNameCharacters) },
        utilization: times(utilization, 0.01),
        usedBytes: times(used, mebibyte),
        totalBytes: times(total, mebibyte),
        celsius: celsius ?? null,
        watts: watts ?? null,
      },
    ]
  })
  return rows.slice(0, maxGpus)
}

/** A number; null for `[N/A]`, `[Not Supported]`, `[Unknown Error]` and the like. */
function numberIn(text: string): number | null {
  return /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : null
}

function times(value: number | null | undefined, factor: number): number | null {
  return value === null || value === undefined ? null : value * factor
}

/** Names of `nvidia-smi --help-query-gpu`. Without units, memory is in MiB, the utilization in percent, and power in watts. */
const fields = ['index', 'uuid', 'name', 'utilization.gpu', 'memory.used', 'memory.total', 'temperature.gpu', 'power.draw']

const mebibyte = 1024 * 1024
const pauseMs = 5000
const pauseAfterFailureMs = 60_000
const maxRunMs = 5000
/** The longest time without a question after which the program still runs. Prometheus asks each minute at the latest. */
const maxUnaskedMs = 150_000
const maxOutputBytes = 64 * 1024
const maxGpus = 64
const maxNameCharacters = 100
