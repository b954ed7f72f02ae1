import { parseArgs } from 'node:util'
import { damageDisk } from './disk.ts'
import { killAtRandom } from './kill-at-random.ts'

/** `npm run faults`: kills at random moments; with `--disk` damaged files instead, of which `--only REGEX` takes some. Status 1 where anything was broken. */
const { values } = parseArgs({
  options: {
    disk: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
  },
})
const say = (line: string) => void process.stdout.write(`${line}\n`)
const report = values.disk
  ? await damageDisk({ only: values.only === undefined ? null : new RegExp(values.only), say })
  : await killAtRandom({ rounds: Number(values.rounds), seed: Number(values.seed), say })
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
process.exitCode = report.broken.length === 0 ? 0 : 1
