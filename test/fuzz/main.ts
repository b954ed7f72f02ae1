import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { attemptBounds, type FuzzReport, fuzz } from './fuzzer.ts'
import { targetsIn } from './target-files.ts'
import { WatchedTarget } from './target-watchdog.ts'

/**
 * Mutates inputs for every parser that gets bytes from strangers. The targets share the time. A finding is kept in the target's corpus, and the exit
 * status is
 * 1. `--input FILE` tries one input again.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string' },
    input: { type: 'string' },
  },
})
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
const all = targetsIn(import.meta.dirname)
const targets = all.filter(({ name }) => values.target === undefined || name === values.target)
const isUsage = minutes > 0 && Number.isSafeInteger(seed) && targets.length > 0 && (values.input === undefined || targets.length === 1)
if (!isUsage) {
  const names = all.map(({ name }) => name).join('|')
  process.stderr.write(`npm run fuzz -- [--minutes 10] [--seed 1] [--target ${names}] [--input FILE, with --target]\n`)
  process.exit(2)
}

let failures = 0
for (const files of targets) {
  if (values.input !== undefined) {
    const watched = new WatchedTarget(files, attemptBounds)
    const finding = await watched.try(readFileSync(values.input))
    await watched.close()
    if (finding !== null) failures++
    say(finding === null ? `${files.name}: no promise breaks` : `${files.name} ${finding.kind}: ${finding.message}`)
    continue
  }
  const report = await fuzz(files, { seed, durationMs: (minutes * 60_000) / targets.length })
  if (report.finding !== null) failures++
  say(textOf(report))
}
process.exitCode = failures === 0 ? 0 : 1

function textOf({ target, attempts, elapsedMs, finding }: FuzzReport): string {
  const rate = Math.round(attempts / (elapsedMs / 1000))
  const done = `${target}: ${attempts} attempts in ${(elapsedMs / 1000).toFixed(1)} s, ${rate} a second`
  if (finding === null) return `${done}, no promise breaks`
  const file = relative(process.cwd(), finding.file)
  const again = finding.isRepeatable ? `npm run fuzz -- --target ${target} --input ${file}` : `npm run fuzz -- --target ${target} --seed ${seed}`
  return `${done}\n${target} ${finding.kind}: ${finding.message}\nAgain${finding.isRepeatable ? '' : ' (this input alone does not do it)'}: ${again}`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
