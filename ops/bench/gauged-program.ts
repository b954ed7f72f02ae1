import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { GaugeReading } from './gauge.ts'
import { MeasuredProgram } from './measured-program.ts'

/** A measured program whose main thread also reports its allocations, its memory in use, and the longest time for which its event loop was blocked. */
export class GaugedProgram {
  readonly program: MeasuredProgram
  readonly #directory: string

  private constructor(program: MeasuredProgram, directory: string) {
    this.program = program
    this.#directory = directory
  }

  static async start(
    argv: readonly string[],
    { samples, env }: { readonly samples: boolean; readonly env: { readonly [name: string]: string } },
  ): Promise<GaugedProgram> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-gauge-'))
    const gauge = { BENCH_GAUGE: join(directory, 'reading'), BENCH_SAMPLES: samples ? '1' : '' }
    const program = await MeasuredProgram.start(['--import', join(import.meta.dirname, 'gauge.ts'), ...argv], { ...env, ...gauge })
    return new GaugedProgram(program, directory)
  }

  /** Measures while `load` runs. */
  async during<T>(load: () => Promise<T>): Promise<{ readonly result: T; readonly reading: GaugeReading; readonly cpuMs: number }> {
    const path = join(this.#directory, 'reading')
    rmSync(path, { force: true })
    this.program.signal('SIGUSR2')
    const before = this.program.usage().cpuMs
    const result = await load()
    const cpuMs = this.program.usage().cpuMs - before
    this.program.signal('SIGUSR2')
    while (!existsSync(path) || readFileSync(path).length === 0) await new Promise<void>((resolve) => void systemClock.after(20, resolve))
    return { result, cpuMs, reading: JSON.parse(readFileSync(path, 'utf8')) as GaugeReading }
  }

  async stop(): Promise<void> {
    await this.program.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
