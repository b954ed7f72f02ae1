import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { feederOf, readersIn } from '../../../topology/swarm/checked-swarm.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const yaml = `name: s
bees:
- { name: in, type: gateway-input, spec: { name: in } }
- { name: make, type: module, input: { name: in }, spec: { file: ./m.ts } }
- { name: some, type: filter, input: { name: make }, spec: { condition: 'x' } }
- { name: way, type: route, input: { name: some }, spec: { routes: { a: 'x' }, default: gather } }
- { name: gather, type: batch, input: { name: way }, spec: { batch_size: 2, timeout_seconds: 1 } }
- { name: a, type: module, input: { name: way }, spec: { file: ./m.ts } }
- { name: b, type: module, input: { name: gather }, spec: { file: ./m.ts } }
`

describe('A bee that passes its input on', () => {
  const swarm = checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), new BeeRegistry())

  it('leads back to the earlier bee that makes the records of its readers', () => {
    for (const name of ['make', 'some', 'way', 'gather']) assert.equal(feederOf(swarm, name)?.name, 'make')
  })

  it('is replaced by its own readers in the list of an earlier bee’s readers', () => {
    assert.deepEqual(
      readersIn(swarm.bees)('make').map(({ name }) => name),
      ['b', 'a'],
    )
  })
})
