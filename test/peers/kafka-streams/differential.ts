import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { withKafkaStreams } from '../../../ops/bench/kafka-streams/java.ts'
import { compare } from './compared.ts'
import { Peer } from './peer.ts'

/** `npm run differential -- [--minutes 60] [--seed N]`: compares examples of new seeds for the given time. An error names the seed that differs. */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string' } } })
const java = withKafkaStreams(join(import.meta.dirname, 'Peer.java'))
if ('missing' in java) throw new Error(java.missing)
const peer = new Peer(java)
const end = systemClock.elapsedMs() + Number(values.minutes) * 60_000
let seed = values.seed === undefined ? systemClock.now() % 2 ** 31 : Number(values.seed)
let programs = 0
try {
  while (systemClock.elapsedMs() < end) {
    await compare(peer, { runs: 500, seed })
    programs += 500
    process.stdout.write(`${programs} programs equal, seed ${seed}\n`)
    seed++
  }
} finally {
  peer.close()
}
