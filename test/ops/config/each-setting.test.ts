import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { settings } from '../../../ops/config/settings.ts'
import { doorFlips } from '../../support/flipped/doors.ts'
import { embeddedFlips } from '../../support/flipped/embedded.ts'
import { kafkaFlips } from '../../support/flipped/kafka.ts'
import { clientCertificateFlips, signInFlips } from '../../support/flipped/secured.ts'

describe('Each setting that needs no Kafka', () => {
  for (const [key, flip] of Object.entries({ ...embeddedFlips, ...doorFlips })) it(`${key} has the effect that its documentation describes`, flip)
})

describe('The tests of settings', () => {
  it('flip every setting, here, in test/kafka/each-setting.test.ts or in test/kafka/secured-run.test.ts', () => {
    const flipped = [embeddedFlips, doorFlips, kafkaFlips, signInFlips, clientCertificateFlips].flatMap((flips) => Object.keys(flips))
    assert.deepEqual(flipped.toSorted(), settings.map(({ key }) => key).toSorted())
  })
})
