import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BeeRequest } from '../../../bees/define-bee.ts'
import { readingOf } from '../../../bees/model/model-reading.ts'
import { type VersionSpec, versionNames, versionPolicy } from '../../../bees/model/version-spec.ts'
import { trafficOf } from '../../../bees/model-versions/traffic.ts'
import { VersionedModel } from '../../../bees/model-versions/versioned-model.ts'
import type { FoundVersion, ModelResult, ModelSignature, OpenModel, VersionFolder } from '../../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { rowScores as scores, rowSignature as signature, rowInput as x } from '../../support/row-model.ts'

/** Versions on a shelf of the test, instead of files. */
class Shelf implements VersionFolder {
  readonly lines: string[] = []
  /** The versions that are open now. */
  readonly open: number[] = []
  readonly opened: number[] = []
  readonly signatures = new Map<number, ModelSignature>()
  /** The versions that cannot be loaded. */
  readonly broken = new Set<number>()
  /** The versions whose weights are not numbers. */
  readonly lost = new Set<number>()
  /** The versions whose runs all fail. */
  readonly failing = new Set<number>()
  /** The calls that a version holds back until the test releases them. */
  readonly held = new Map<number, () => void>()
  readonly holds = new Set<number>()
  found: readonly FoundVersion[] = []
  nowMs = 0
  next: () => Promise<void> = async () => {}

  put(...versions: readonly number[]): void {
    this.found = versions.map((version) => ({ version, fingerprint: 'whole', isComplete: true }))
  }

  look = async () => this.found
  lookTwice = async () => this.found

  serve(
    spec: VersionSpec = {},
    { bee = 'judge', specs = [] }: { readonly bee?: string; readonly specs?: readonly (readonly [string, VersionSpec])[] } = {},
  ): Promise<VersionedModel> {
    const traffic = trafficOf({ swarm: 'hive', bee, spec, specs: new Map(specs) })
    return VersionedModel.open({
      bee,
      name: './model',
      folder: this,
      policy: versionPolicy(
        spec,
        traffic?.sides.map(({ version }) => version),
      ),
      traffic,
      isShadow: false,
      names: versionNames(spec),
      noVersion: () => new WaggleError('WAGGLE_MODEL_NOT_FOUND', { message: 'there is no version', next: 'Put one there.' }),
      open: async (version) => this.#model(version ?? 0),
      read: (given) => readingOf({ model: './model' }, given),
      batchSize: 2,
      watch: (look) => {
        this.next = look
        return () => {}
      },
      now: () => this.nowMs,
      log: (level, line) => this.lines.push(`${level} ${line}`),
    })
  }

  #model(version: number): OpenModel {
    this.opened.push(version)
    if (this.broken.has(version)) throw new WaggleError('WAGGLE_MODEL_INVALID', { message: `${version} is cut off`, next: 'Copy it again.' })
    this.open.push(version)
    return {
      signature: this.signatures.get(version) ?? signature,
      device: 'cpu',
      choice: null,
      run: async (rows) => {
        if (this.failing.has(version)) throw new Error('the node Gather fails')
        if (this.holds.has(version)) await new Promise<void>((resolve) => this.held.set(version, resolve))
        assert.ok(this.open.includes(version), `version ${version} runs though it is closed`)
        return rows.map(
          (): ModelResult => ({ outputs: { scores: { shape: [2], values: this.lost.has(version) ? [Number.NaN, Number.NaN] : [1, 0] } } }),
        )
      },
      close: async () => {
        this.open.splice(this.open.indexOf(version), 1)
      },
    }
  }
}

const answers = async (model: VersionedModel, count = 1) =>
  (await model.predict(Array<unknown>(count).fill([1]), Array<BeeRequest>(count).fill({ id: 'r', signal: undefined } as unknown as BeeRequest))).map(
    (answer) => (answer instanceof WaggleError ? answer.message : answer.version),
  )
const states = (model: VersionedModel) => model.state.versions.map(({ version, state }) => `${version} ${state}`)

describe('A model with versions', () => {
  it('answers from its highest version, and from a higher version after its next look at the folder', async () => {
    const shelf = new Shelf()
    shelf.put(1, 3)
    const model = await shelf.serve()
    assert.deepEqual(await answers(model, 2), ['3', '3'])
    shelf.put(1, 3, 4)
    await shelf.next()
    assert.deepEqual(await answers(model), ['4'])
    assert.deepEqual(shelf.open, [4])
    assert.ok(shelf.lines.includes('info version 4 of ./model answers from now on, in place of version 3'), shelf.lines.join('\n'))
  })

  it('closes the old version only after that version has answered its last batch', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    shelf.holds.add(1)
    const last = answers(model)
    await Promise.resolve()
    shelf.put(1, 2)
    await shelf.next()
    assert.deepEqual(states(model), ['1 draining', '2 serving'])
    assert.deepEqual(await answers(model), ['2'])
    shelf.held.get(1)?.()
    assert.deepEqual(await last, ['1'])
    await new Promise(setImmediate)
    assert.deepEqual(shelf.open, [2])
    assert.deepEqual(states(model), ['2 serving'])
  })

  it('does not load a version whose files are still changing', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    shelf.found = [...shelf.found, { version: 2, fingerprint: 'half', isComplete: false }]
    await shelf.next()
    assert.deepEqual(shelf.opened, [1])
    assert.deepEqual(states(model), ['1 serving', '2 incomplete'])
  })

  for (const [what, changed, said] of [
    [
      'an output of another width',
      { outputRows: [{ ...scores, shape: [3] }] },
      /has the output scores \(FP32 \[3\]\), where scores \(FP32 \[2\]\) is needed/,
    ],
    ['an input of another type', { rows: [{ ...x, datatype: 'INT64' }] }, /has the input x \(INT64 \[1\]\)/],
    ['an input of another name', { rows: [{ ...x, name: 'y' }] }, /has no input x/],
    ['an additional input', { rows: [x, { ...x, name: 'y' }] }, /has the input y \(FP32 \[1\]\) too/],
    ['other labels', { labels: { names: ['bear', 'teddy'], from: 'a file' } }, /gives no score of "0"/],
  ] as const satisfies readonly (readonly [string, Partial<ModelSignature>, RegExp])[])
    it(`refuses a newer version with ${what} once, and continues with the old version`, async () => {
      const shelf = new Shelf()
      shelf.put(1)
      const model = await shelf.serve()
      shelf.signatures.set(2, { ...signature, ...changed })
      shelf.put(1, 2)
      for (let look = 0; look < 3; look++) {
        shelf.nowMs += 600_000
        await shelf.next()
      }
      assert.deepEqual(states(model), ['1 serving', '2 refused'])
      assert.match(model.state.versions[1]?.error?.detail ?? '', said)
      assert.equal(model.state.refused_total, 1)
      assert.deepEqual(await answers(model), ['1'])
      assert.deepEqual(shelf.open, [1])
    })

  it('refuses a newer version that returns NaN where the old version returns numbers', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    shelf.lost.add(2)
    shelf.put(1, 2)
    await shelf.next()
    assert.equal(model.state.versions[1]?.error?.code, 'WAGGLE_NOT_FINITE')
    assert.deepEqual(await answers(model), ['1'])
    shelf.lost.add(1)
    await model.reload()
    assert.deepEqual(shelf.open, [2], 'both give NaN for zeros, so zeros tell nothing')
  })

  it('refuses a newer version that fails where the old version returns numbers', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    shelf.failing.add(2)
    shelf.put(1, 2)
    await shelf.next()
    assert.deepEqual(model.state.versions[1]?.error?.code, 'WAGGLE_MODEL_FAILED')
    assert.deepEqual(await answers(model), ['1'])
    assert.deepEqual(shelf.open, [1])
  })

  it('answers from a newer version that fails for zeros if the old version also fails for zeros', async () => {
    const shelf = new Shelf()
    shelf.failing.add(1).add(2)
    shelf.put(1)
    const model = await shelf.serve()
    shelf.put(1, 2)
    await shelf.next()
    assert.deepEqual(shelf.open, [2])
    shelf.failing.clear()
    assert.deepEqual(await answers(model), ['2'])
  })

  it('answers from a newer version whose input has a free dimension', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    shelf.signatures.set(2, { ...signature, rows: [{ ...x, shape: [-1] }] })
    shelf.put(1, 2)
    await shelf.next()
    assert.deepEqual(await answers(model), ['2'])
  })

  it('tries a version that cannot be loaded again later, and at once if the version’s files have changed', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    shelf.broken.add(2)
    shelf.put(1, 2)
    await shelf.next()
    await shelf.next()
    assert.deepEqual(shelf.opened, [1, 2])
    shelf.nowMs += 4000
    await shelf.next()
    assert.deepEqual(shelf.opened, [1, 2, 2])
    assert.equal(model.state.refused_total, 2)
    shelf.broken.clear()
    shelf.found = [{ version: 2, fingerprint: 'copied again', isComplete: true }]
    await shelf.next()
    assert.deepEqual(await answers(model), ['2'])
    assert.deepEqual(states(model), ['2 serving'])
  })

  it('goes back to an older version when the newer version is removed', async () => {
    const shelf = new Shelf()
    shelf.put(1, 2)
    const model = await shelf.serve()
    shelf.put(1)
    await shelf.next()
    assert.deepEqual(await answers(model), ['1'])
    assert.deepEqual(shelf.open, [1])
    shelf.put()
    await shelf.next()
    assert.deepEqual(await answers(model), ['1'], 'an empty folder takes nothing away')
  })

  it('starts with an older version if the highest version cannot be loaded, and fails with the cause if no version can be loaded', async () => {
    const shelf = new Shelf()
    shelf.put(1, 2)
    shelf.broken.add(2)
    const model = await shelf.serve()
    assert.deepEqual(states(model), ['1 serving', '2 refused'])
    shelf.broken.add(1)
    await assert.rejects(shelf.serve(), /2 is cut off/)
    await assert.rejects(new Shelf().serve(), /there is no version/)
  })

  for (const [spec, loaded, answering] of [
    [{}, [4], '4'],
    [{ versions: { latest: 2 } }, [4, 3], '4'],
    [{ versions: 'all' }, [4, 3, 1], '4'],
    [{ versions: { all: true } }, [4, 3, 1], '4'],
    [{ versions: { specific: [1, 3] } }, [3, 1], '3'],
    [{ version: 1 }, [1], '1'],
    [{ shadow: 4 }, [3], '3'],
    [{ versions: 'all', shadow: '3' }, [4, 1], '4'],
    [{ versions: { specific: [1, 4], names: { next: 4 } }, shadow: 'next' }, [1], '1'],
  ] as const satisfies readonly (readonly [VersionSpec, readonly number[], string])[])
    it(`loads ${loaded.join(', ')} out of 1, 3 and 4 with ${JSON.stringify(spec)}`, async () => {
      const shelf = new Shelf()
      shelf.put(1, 3, 4)
      const model = await shelf.serve(spec)
      assert.deepEqual(shelf.open, loaded)
      assert.deepEqual(await answers(model), [answering])
    })

  it('looks at its folder once more for all reloads that are requested during a look', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    let looks = 0
    shelf.lookTwice = async () => {
      looks++
      shelf.put(1, 1 + looks)
      return shelf.found
    }
    const first = model.reload()
    await Promise.resolve()
    await Promise.all([first, ...Array.from({ length: 100 }, () => model.reload())])
    assert.equal(looks, 2)
    assert.equal(model.answering.version, 3)
    await model.close()
  })

  it('loads a version again on request if its files have changed, and tries refused versions again', async () => {
    const shelf = new Shelf()
    shelf.put(1)
    const model = await shelf.serve()
    await model.reload()
    assert.deepEqual(shelf.opened, [1])
    shelf.found = [{ version: 1, fingerprint: 'new files', isComplete: true }]
    await shelf.next()
    assert.deepEqual(shelf.opened, [1])
    await model.reload()
    assert.deepEqual(shelf.opened, [1, 1])
    assert.deepEqual(await answers(model), ['1'])
  })

  it('closes every version when it is closed, and opens no further version', async () => {
    const shelf = new Shelf()
    shelf.put(1, 2)
    const model = await shelf.serve({ versions: 'all' })
    await model.close()
    shelf.put(1, 2, 3)
    await shelf.next()
    assert.deepEqual([shelf.open, shelf.opened], [[], [2, 1]])
  })
})

describe('A model with traffic', () => {
  const stableAndCanary = { versions: { names: { stable: 1, canary: 2 } }, traffic: { stable: 75, canary: 25 } }
  const requests = Array.from({ length: 2000 }, (_, at) => ({ id: `request-${at}` }) as BeeRequest)
  const askAll = async (model: VersionedModel, some: readonly BeeRequest[] = requests) =>
    (await model.predict(Array<unknown>(some.length).fill([1]), some)).map((answer) =>
      answer instanceof WaggleError ? answer.message : answer.version,
    )

  it('gives each version its share of the requests, and a repeated request to the same version', async () => {
    const shelf = new Shelf()
    shelf.put(1, 2, 3)
    const model = await shelf.serve(stableAndCanary)
    assert.deepEqual(shelf.open, [2, 1])
    const first = await askAll(model)
    const canaries = first.filter((version) => version === '2').length
    assert.ok(canaries > 400 && canaries < 600, String(canaries))
    assert.equal(first.filter((version) => version === '1').length, requests.length - canaries)
    const another = new Shelf()
    another.put(1, 2)
    const reversed = await askAll(await another.serve(stableAndCanary), requests.toReversed())
    assert.deepEqual(reversed.toReversed(), first)
    assert.deepEqual(
      model.state.versions.map(({ version, names, share }) => [version, names, share]),
      [
        ['1', ['stable'], 75],
        ['2', ['canary'], 25],
      ],
    )
  })

  it('keeps a request on the canary when the canary’s share grows', async () => {
    const shelf = new Shelf()
    shelf.put(1, 2)
    const before = await askAll(await shelf.serve({ ...stableAndCanary, traffic: { stable: 95, canary: 5 } }))
    const after = await askAll(await shelf.serve({ ...stableAndCanary, traffic: { stable: 60, canary: 40 } }))
    before.forEach((version, at) => {
      if (version === '2') assert.equal(after[at], '2')
    })
  })

  it('splits the requests of two bees independently, unless one bee follows the other', async () => {
    const leader = new Shelf()
    const follower = new Shelf()
    leader.put(1, 2)
    follower.put(7, 8)
    const leads = await askAll(await leader.serve(stableAndCanary))
    const own = { versions: { names: { stable: 7, canary: 8 } } }
    const alike = (versions: readonly unknown[]) => versions.filter((version, at) => (version === '8') === (leads[at] === '2')).length
    const judge = ['judge', stableAndCanary] as const
    const follows = await follower.serve({ ...own, follow: 'judge' }, { bee: 'second', specs: [judge] })
    assert.equal(alike(await askAll(follows)), requests.length)
    const specs = [judge, ['second', { ...own, follow: 'judge' }]] as const
    const through = await follower.serve({ ...own, follow: 'second' }, { bee: 'third', specs })
    assert.equal(alike(await askAll(through)), requests.length)
    const apart = await follower.serve({ ...own, traffic: stableAndCanary.traffic }, { bee: 'second', specs: [judge] })
    assert.ok(alike(await askAll(apart)) < 0.8 * requests.length)
  })

  it('answers all requests from the version that has all traffic, and only loads a version without a share', async () => {
    const shelf = new Shelf()
    shelf.put(1, 2)
    const model = await shelf.serve({ ...stableAndCanary, traffic: { stable: 0, canary: 1 } })
    assert.deepEqual(new Set(await askAll(model)), new Set(['2']))
    assert.deepEqual(states(model), ['1 loaded', '2 serving'])
  })

  it('does not start if a version named in traffic is missing or has another shape', async () => {
    const shelf = new Shelf()
    shelf.put(1, 2)
    shelf.broken.add(2)
    await assert.rejects(shelf.serve(stableAndCanary), /2 is cut off/)
    shelf.broken.clear()
    shelf.signatures.set(1, { ...signature, outputRows: [{ ...scores, shape: [3] }] })
    await assert.rejects(shelf.serve(stableAndCanary), /version 1 of .\/model has the output scores/)
    assert.deepEqual(shelf.open, [])
  })

  for (const [spec, said] of [
    [{ traffic: { stabel: 1 }, versions: { names: { stable: 1 } } }, /traffic has stabel, which is neither .* did you mean stable\?/],
    [{ traffic: { '1': 0, '2': 0 } }, /Every part of traffic is 0/],
    [{ traffic: { '1': 1 }, follow: 'other' }, /traffic and follow are both set/],
    [{ follow: 'nobody' }, /There is no bee nobody to follow/],
    [{ follow: 'plain' }, /plain splits no traffic/],
    [{ follow: 'judge' }, /judge follows itself, through judge/],
    [{ follow: 'mirror' }, /judge follows itself, through judge, mirror/],
  ] as const satisfies readonly (readonly [VersionSpec, RegExp])[])
    it(`is refused with ${JSON.stringify(spec)}`, () => {
      const specs = new Map<string, VersionSpec>([
        ['plain', {}],
        ['other', {}],
        ['mirror', { follow: 'judge' }],
        ['judge', spec],
      ])
      assert.throws(
        () => trafficOf({ swarm: 'hive', bee: 'judge', spec, specs }),
        (error: WaggleError) => error.code === 'WAGGLE_MODEL_VERSIONS' && said.test(`${error.message} ${error.next}`),
      )
    })
})

describe('The versions in a spec', () => {
  for (const spec of [
    { version: 1, shadow: 1 },
    { shadow: 'canary' },
    { version: 1, versions: 'all' },
    { versions: { latest: 1, all: true } },
    { versions: { specific: [1], latest: 2 } },
  ] as const)
    it(`are refused with ${JSON.stringify(spec)}`, () => {
      assert.throws(() => versionPolicy(spec), { code: 'WAGGLE_MODEL_VERSIONS' })
    })
})
