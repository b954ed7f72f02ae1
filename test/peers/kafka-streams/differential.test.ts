import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { kafkaStreamsVersion, withKafkaStreams } from '../../../ops/bench/kafka-streams/java.ts'
import { compare, equal } from './compared.ts'
import { fixedSeeds } from './differential-seeds.ts'
import { fullBuffer } from './example.ts'
import { Peer } from './peer.ts'

const java = withKafkaStreams(join(import.meta.dirname, 'Peer.java'))
const skip = 'missing' in java ? java.missing : false
if (skip !== false && process.env.CI === 'true') throw new Error(skip)

describe(`Kafka Streams ${kafkaStreamsVersion} gives the same records, in the same order, with the same bytes and timestamps`, { skip }, () => {
  const peer = 'missing' in java ? null : new Peer(java)
  after(() => peer?.close())
  for (const seed of fixedSeeds) {
    it(`100 random programs from seed ${seed} give the records of Kafka Streams, byte for byte`, async () => {
      if (peer !== null) await compare(peer, { runs: 100, seed })
    })
  }

  it('suppression in a buffer of any size gives the records of Kafka Streams, whether it emits early or shuts down', async () => {
    for (let maxBytes = 30; peer !== null && maxBytes < 300; maxBytes += 3) await equal(peer, fullBuffer(maxBytes, maxBytes % 2 === 0))
  })
})
