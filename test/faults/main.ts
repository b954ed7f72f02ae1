import { parseArgs } from 'node:util'
import { attackAll } from './attacks/attacks.ts'
import { damageDisk } from './disk.ts'
import { killAtRandom } from './kill-at-random.ts'

/**
 * `npm run faults`: kills at random moments. `--disk`: damaged files. `--attacks`: a stranger's attacks on a running process. `--only REGEX` selects
 * files or attacks. Exit status 1: a promise was broken.
 */
const { values } = parseArgs({
  options: {
    attacks: { type: 'boolean', default: false },
    disk: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
  },
})
const say = (line: string) => void process.stdout.write(`${line}\n`)
const only = values.only === undefined ? null : new RegExp(values.only)
const report = values.attacks
  ? await attackAll({ only, say })
  : values.disk
    ? await damageDisk({ only, say })
    : await killAtRandom({ rounds: Number(values.rounds), seed: Number(values.seed), say })
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
process.exitCode = report.broken.length === 0 ? 0 : 1
