import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { BeeRegistry } from '../../bees/registry.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../topology/swarm/plan/plan.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { FuzzTarget } from './target.ts'

/** Any bytes as a swarm file. They must give a swarm that can be planned, or mistakes that all have a place. */
export const target: FuzzTarget = {
  name: 'swarm-file',
  seeds: [
    ...['teddy-bear-detector', 'hello-world'].map((name) => readFileSync(new URL(`../../swarms/${name}/swarm.yaml`, import.meta.url))),
    Buffer.from('name: a\nbees:\n  - { name: g, type: gateway-input }\n  - { name: m, type: module, input: { name: g }, spec: { file: ./m.ts } }\n'),
    Buffer.from('&a\nname: *a\nbees: [{ name: g, type: kafka-input, spec: { topic: t, name: g } }, *a]\n'),
  ],
  dictionary: [
    ...['name: ', 'type: ', 'input: ', 'spec: ', 'join: ', 'stack: ', 'topic: ', 'batch', '&a ', '*a', '<<: ', '!!binary ', '---\n', '- ', '\t'],
    ...['{{ secrets.A }}', '.inf', '.nan', '~', '? ', '|\n', '>\n', '%YAML 1.1\n', '# ', 'gateway', 'dead-letters', 'timeout_seconds: '],
  ].map((word) => Buffer.from(word)),
  attempt(input) {
    try {
      planSwarm(checkSwarm(SwarmDocument.read(input, 'swarm.yaml'), registry), {
        partitions: 4,
        retentionMs: 1000,
        retentionBytes: null,
        answerPartitions: 4,
      })
    } catch (thrown) {
      assert.ok(thrown instanceof WaggleError, thrown instanceof Error ? thrown.stack : String(thrown))
      assert.equal(thrown.code, 'WAGGLE_INVALID_SWARM')
      assert.ok(thrown.cause instanceof AggregateError && thrown.cause.errors.length > 0, 'It has mistakes')
      assert.ok(thrown.message.length < 1024 * 1024, 'Its message is bounded')
      for (const mistake of thrown.cause.errors) {
        assert.ok(mistake instanceof WaggleError)
        assert.match(mistake.place ?? '', /^swarm\.yaml:[1-9]\d*:[1-9]\d*$/)
        assert.doesNotMatch(mistake.message, /\n|\0/)
      }
    }
  },
}

const registry = new BeeRegistry()
