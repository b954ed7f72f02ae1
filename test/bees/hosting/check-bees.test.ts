import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Static, Type } from 'typebox'
import { type BeeType, defineBee } from '../../../bees/define-bee.ts'
import { checkBees } from '../../../bees/hosting/check-bees.ts'
import { BeeRegistry } from '../../../bees/registry.ts'
import { GuardedHttpCalls } from '../../../connectors/http-calls/guarded-http-calls.ts'
import { TensorFlowServing } from '../../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { PostgresServers } from '../../../connectors/postgres/postgres-database.ts'
import { PostgresHosts } from '../../../connectors/postgres/postgres-hosts.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

/** The findings of the check as lines, for a swarm with these bees behind the gateway `g`. This machine has no model and no image. */
async function found(
  bees: string,
  types: readonly BeeType[] = [],
  commands: { readonly [image: string]: readonly string[] } = {},
): Promise<{ readonly mistakes: readonly string[]; readonly warnings: readonly string[]; readonly loaded: number }> {
  const registry = new BeeRegistry([...types, ...new BeeRegistry().types])
  const yaml = `name: s\nbees:\n- { name: g, type: gateway-input, spec: { name: g } }\n${bees}`
  let loaded = 0
  const line = ({ place, message }: WaggleError) => `${place} ${message}`
  const elsewhere = async () => {
    throw new WaggleError('WAGGLE_NOT_RESOLVED', { message: 'it is elsewhere', next: 'Say where.' })
  }
  try {
    const { warnings } = await checkBees(checkSwarm(SwarmDocument.parse(yaml, 's.yaml'), registry), {
      registry,
      ports: {
        models: { open: elsewhere, versionsAt: elsewhere, watch: () => () => {} },
        modelServers: new TensorFlowServing({ clock: systemClock }),
        postgres: new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(null) }),
        http: new GuardedHttpCalls({ clock: systemClock, hosts: null }),
        programs: {
          checkModule: async ({ path }) => {
            loaded++
            if (path.includes('wrong')) throw new WaggleError('WAGGLE_INVALID_MODULE', { message: `${path} is wrong`, next: 'Correct it.' })
            return {}
          },
          checkPython: async () => ({}),
          checkCommand: async () => {},
          hasImage: async () => null,
        },
      },
      resolve: async (uri) => uri,
      resolveCommand: (image) => commands[image] ?? null,
    })
    return { mistakes: [], warnings: warnings.map(line), loaded }
  } catch (thrown) {
    const { cause } = thrown as WaggleError
    if (!(cause instanceof AggregateError)) throw thrown
    return { mistakes: cause.errors.map(line), warnings: [], loaded }
  }
}

describe('The check of a swarm’s bees', () => {
  it('refuses a table name that no table can have, with the place of the setting', async () => {
    for (const table of ['my-table', '1st', 'a.b.c', 'a b', "t'; DROP TABLE x"]) {
      const { mistakes } = await found(`- { name: save, type: save-to-database, input: { name: g }, spec: { table: "${table}" } }\n`)
      assert.deepEqual(mistakes, [`s.yaml:4:76 "${table}" is not a valid name for a table`])
    }
    assert.deepEqual((await found('- { name: save, type: save-to-database, input: { name: g }, spec: { table: own.predictions_2 } }\n')).mistakes, [])
  })

  it('warns of each setting that its bee does not read, with the place of the setting', async () => {
    const call = 'type: http-call, input: { name: g }, spec: { url: "http://127.0.0.1/" }'
    const workers = 'type: python, input: { name: g }, spec: { file: a.py, bee: a, workers: 8 }'
    const beside = async (bee: string) => (await found(`- { name: b, ${bee} }\n`)).warnings.filter((one) => one.includes('no effect'))
    const unread = (key: string, type: string) => [`s.yaml:4:${16 + key.length} ${key} has no effect on b: a bee of type ${type} does not read it`]
    assert.deepEqual(await beside(`gpu: 1, ${call}`), unread('gpu', 'http-call'))
    assert.deepEqual(await beside(`max_replicas: 3, ${call}`), unread('max_replicas', 'http-call'))
    const map = 'type: map, input: { name: g }, spec: { expression: "a" }'
    assert.deepEqual(await beside(`replicas: 2, ${map}`), unread('replicas', 'map'))
    assert.deepEqual(await beside(`max_replicas: 2, type: respond, input: { name: g }`), unread('max_replicas', 'respond'))
    for (const max of [1, 2])
      assert.deepEqual(await beside(`max_replicas: ${max}, ${workers}`), [
        `s.yaml:4:28 max_replicas ${max} has no effect on b, whose spec asks for 8`,
      ])
    for (const fine of [`replicas: 3, ${call}`, `gpu: 0, replicas: 1, max_replicas: 1, ${map}`, `max_replicas: 9, ${workers}`, `gpu: 1, ${workers}`])
      assert.deepEqual(await beside(fine), [], fine)
  })

  it('warns of cpus, pids and network on a container bee that runs as a process', async () => {
    const spec = 'image: i, memory: 512m, cpus: 1, pids: 9, network: true'
    const bee = `- { name: b, type: container, input: { name: g }, spec: { ${spec} } }\n`
    const { warnings } = await found(bee, [], { i: ['node'] })
    assert.deepEqual(
      warnings.map((one) => one.replace(/^s\.yaml:4:\d+ (\w+) has no effect on b, .*$/, '$1')),
      ['cpus', 'pids', 'network'],
    )
    assert.deepEqual(
      (await found(bee)).warnings.filter((one) => one.includes('no effect')),
      [],
    )
  })

  it('compares the output and input types that bee types derive from their specs', async () => {
    const columns = Type.Object({ columns: Type.Array(Type.String()) }, { additionalProperties: false })
    const shape = async ({ spec }: { readonly spec: Static<typeof columns> }) =>
      Type.Object(Object.fromEntries(spec.columns.map((name) => [name, Type.Number()])))
    const common = { spec: columns, summary: 'Columns.', delivery: 'Again.', create: () => ({ process: (input: unknown) => input }) }
    const types = [defineBee({ ...common, type: 'source', output: shape }), defineBee({ ...common, type: 'target', input: shape })]
    const bees = (given: string, taken: string) => `- { name: a, type: source, input: { name: g }, spec: { columns: [${given}] } }
- { name: b, type: target, input: { name: a }, spec: { columns: [${taken}] } }
`
    assert.deepEqual((await found(bees('x, y', 'y'), types)).mistakes, [])
    assert.deepEqual((await found(bees('x, y', 'x, z'), types)).mistakes, ['s.yaml:5:43 a gives no z (it gives x, y), which is taken by b'])
  })

  it('warns of a branch that never leads to the answer', async () => {
    const { warnings } = await found(`- { name: way, type: route, input: { name: g }, spec: { routes: { a: 'x' }, default: b } }
- { name: a, type: map, input: { name: way }, spec: { expression: '@' } }
- { name: b, type: save-to-database, input: { name: way }, spec: { table: t } }
- { name: answer, type: respond, input: { name: a } }
`)
    assert.deepEqual(warnings, ['s.yaml:4:86 the branch b never joins the way to answer: a request that takes it alone is answered with 422'])
  })

  it('refuses weights that are all 0, because every request would fail', async () => {
    const ensemble = (weights: string, type = 'weighted-average-ensemble') => `- { name: a, type: module, input: { name: g }, spec: { file: ./a.ts } }
- { name: b, type: module, input: { name: g }, spec: { file: ./b.ts } }
- { name: e, type: ${type}, input: { join: [a, b] }, spec: { weights: ${weights} } }
`
    assert.deepEqual((await found(ensemble('{ a: 0, b: 0 }'))).mistakes, ['s.yaml:6:89 Every weight is 0, so no prediction counts'])
    assert.deepEqual((await found(ensemble('{ a: 0, b: 0 }', 'majority-vote'))).mistakes, ['s.yaml:6:77 Every weight is 0, so no prediction counts'])
    assert.deepEqual((await found(ensemble('{ a: 0 }'))).mistakes.length, 1)
    for (const weights of ['{}', '{ a: 0, b: 1 }']) assert.deepEqual((await found(ensemble(weights))).mistakes, [])
  })

  it('loads a module once even if several bees name it, and reports its mistake for each bee', async () => {
    const bee = (name: string, file: string) => `- { name: ${name}, type: module, input: { name: g }, spec: { file: ./${file}.ts } }\n`
    const { mistakes, loaded } = await found(bee('a', 'wrong') + bee('b', 'wrong') + bee('c', 'right') + bee('d', 'right'))
    assert.deepEqual(mistakes, ['s.yaml:4:62 ./wrong.ts is wrong', 's.yaml:5:62 ./wrong.ts is wrong'])
    assert.equal(loaded, 2)
    const read = ['a', 'b', 'c'].map((name) => `- { name: after-${name}, type: save-to-database, input: { name: ${name} }, spec: { table: t } }\n`)
    assert.equal((await found(bee('a', 'right') + bee('b', 'right') + bee('c', 'right') + read.join(''))).loaded, 1)
  })

  it('warns about a model and an image that are not on this machine, each with its place', async () => {
    const { warnings } = await found(`- { name: m, type: tensor-rt, input: { name: g }, spec: { model: "s3://m.onnx" } }
- { name: c, type: container, input: { name: g }, spec: { image: far/away } }
`)
    assert.deepEqual(warnings, [
      's.yaml:4:66 it is elsewhere',
      's.yaml:5:66 c names the image far/away, and this machine has no command for it; no Docker answers here',
    ])
  })
})
