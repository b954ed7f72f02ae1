import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { LocalProcesses } from '../../../connectors/processes/local-processes.ts'
import { LocalPython } from '../../../connectors/python/local-python.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { Containers } from '../../../topology/swarm/ports/containers.ts'
import { json, skipWithoutPython } from '../../support/python-bee.ts'

const sdkSources = resolve(import.meta.dirname, '..', '..', '..', 'bees', 'python', 'sdk', 'src')

const bee = `
import waggle

@waggle.register_bee("said")
def said(value):
    with open("data.txt") as file:
        return file.read()
`

it('A bee of a package reads files beside the lock file, and gets no module from there, also on a Python without PYTHONSAFEPATH', {
  skip: skipWithoutPython,
}, async () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-package-modules-'))
  try {
    const [sdk, swarm] = [join(root, 'sdk'), join(root, 'swarm')]
    cpSync(sdkSources, sdk, { recursive: true })
    writeFileSync(join(sdk, 'words.py'), bee)
    mkdirSync(swarm)
    writeFileSync(join(swarm, 'data.txt'), 'the data')
    for (const name of ['words', 'argparse', 'waggle', 'json'])
      writeFileSync(join(swarm, `${name}.py`), 'raise SystemExit("a module beside the lock file")')
    const processes = new LocalProcesses({ clock: systemClock })
    const python = new LocalPython({
      clock: systemClock,
      processes,
      containers: {} as Containers,
      directory: join(root, 'environments'),
      sdk,
      allowedRequirements: 'packages',
    })
    const open = await python.openPackage({
      swarm: 'test',
      bee: 'said',
      module: 'words',
      name: 'said',
      wheels: [],
      lock: join(swarm, 'waggle-bees.lock'),
      workers: 1,
      // Python before 3.11 does not know this variable, and an empty one is as none.
      env: { PYTHONSAFEPATH: '' },
      log: () => {},
    })
    try {
      const { signal } = new AbortController()
      assert.deepEqual(await open.call([{ id: 'one', deadline: null, signal, payload: json(1) }]), [json('the data')])
    } finally {
      await open.close()
    }
  } finally {
    rmSync(root, { recursive: true })
  }
})
