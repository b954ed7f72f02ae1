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

describe(`Programs on Waggle and on Kafka Streams ${kafkaStreamsVersion}`, { skip }, () => {
  const peer = 'missing' in java ? null : new Peer(java)
  after(() => peer?.close())
  for (const seed of fixedSeeds) {
    it(`give the same records, byte for byte, for 100 random programs from seed ${seed}`, async () => {
      if (peer !== null) await compare(peer, { runs: 100, seed })
    })
  }

  it('give the same records for suppression in a buffer of any size, whether the buffer emits early or shuts the program down', async () => {
    for (let maxBytes = 30; peer !== null && maxBytes < 300; maxBytes += 3) await equal(peer, fullBuffer(maxBytes, maxBytes % 2 === 0))
  })
})
