import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Kept } from './comparison.ts'

/** The kept numbers of each benchmark, and the numbers that were kept before them. */
export type KeptBenchmarks = { readonly [benchmark: string]: { readonly kept: Kept; readonly before: Kept | null } }

const path = join(import.meta.dirname, '..', '..', 'docs', 'benchmarks.json')

export function keptBenchmarks(): KeptBenchmarks {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as KeptBenchmarks) : {}
}

export function keep(benchmark: string, now: Kept): void {
  const numbers = keptBenchmarks()
  const all = { ...numbers, [benchmark]: { kept: now, before: numbers[benchmark]?.kept ?? null } }
  writeFileSync(path, `${JSON.stringify(all, null, 2)}\n`)
}
