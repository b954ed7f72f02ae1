import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { LocalVersionFolder } from '../../../connectors/models/version-folder.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import type { FoundVersion, VersionFolder } from '../../../topology/swarm/ports/models.ts'
import { ModelVersions } from '../../support/model-versions.ts'

const clock = new SimulatedClock()

async function folderAt(path: string, runtime: 'onnx' | 'tensorflow' = 'onnx'): Promise<VersionFolder> {
  const folder = await LocalVersionFolder.at(path, runtime, clock)
  assert.ok(folder !== null)
  return folder
}

const shown = (found: readonly FoundVersion[]) => found.map(({ version, isComplete }) => `${version}${isComplete ? '' : ' incomplete'}`)

describe('A folder of numbered versions', () => {
  it('treats a version as complete after two looks in a row have found the same files', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    const folder = await folderAt(versions.path)
    assert.deepEqual(shown(await folder.look()), ['1 incomplete'])
    assert.deepEqual(shown(await folder.look()), ['1'])
    versions.add(12)
    assert.deepEqual(shown(await folder.look()), ['1', '12 incomplete'])
    writeFileSync(join(versions.path, '12', 'model.onnx.data'), 'more')
    assert.deepEqual(shown(await folder.look()), ['1', '12 incomplete'])
    assert.deepEqual(shown(await folder.look()), ['1', '12'])
  })

  it('finds a model that is put into a version folder which was empty at all earlier looks', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    const folder = await folderAt(versions.path)
    mkdirSync(join(versions.path, '2'))
    for (let look = 0; look < 3; look++) await folder.look()
    assert.deepEqual(shown(await folder.look()), ['1'])
    writeFileSync(join(versions.path, '2', 'model.onnx'), 'a model')
    assert.deepEqual(shown(await folder.look()), ['1', '2 incomplete'])
  })

  it('no longer has a version that was removed', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    versions.add(2)
    const folder = await folderAt(versions.path)
    await folder.look()
    assert.deepEqual(shown(await folder.look()), ['1', '2'])
    versions.remove(2)
    assert.deepEqual(shown(await folder.look()), ['1'])
  })

  it('counts only numbered folders with a model inside, and the shorter of two spellings of a number', async () => {
    using versions = new ModelVersions()
    for (const name of ['7', '007', 'x8', '9.tmp', '-1', '1e3']) {
      mkdirSync(join(versions.path, name))
      writeFileSync(join(versions.path, name, 'some.onnx'), name)
    }
    writeFileSync(join(versions.path, '10'), 'a file')
    mkdirSync(join(versions.path, '11'))
    for (const two of ['a.onnx', 'b.onnx']) writeFileSync(join(versions.path, '11', two), two)
    assert.deepEqual(shown(await (await folderAt(versions.path)).look()), ['7 incomplete'])
  })

  it('has its complete versions at the start after two looks with a moment between them', async () => {
    using versions = new ModelVersions()
    versions.add(3)
    const folder = await folderAt(versions.path)
    const looks = folder.lookTwice()
    let found: readonly FoundVersion[] | null = null
    void looks.then((all) => {
      found = all
    })
    while (found === null) await clock.advance(500)
    assert.deepEqual(shown(found), ['3'])
  })

  it('does not exist if the path itself is a model', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    assert.equal(await LocalVersionFolder.at(join(versions.path, '1', 'model.onnx'), 'onnx', clock), null)
    writeFileSync(join(versions.path, 'saved_model.pb'), '')
    assert.equal(await LocalVersionFolder.at(versions.path, 'tensorflow', clock), null)
    await assert.rejects(LocalVersionFolder.at(join(versions.path, 'nowhere'), 'onnx', clock), /There is no model at .*nowhere/)
  })
})
