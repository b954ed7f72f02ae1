import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { containerSettings } from '../../../connectors/docker/container-settings.ts'

describe('The settings of a container', () => {
  const userFor = (user: string) =>
    containerSettings(
      {
        swarm: 's',
        bee: 'b',
        image: 'i',
        command: null,
        env: {},
        limits: { memoryBytes: 1, cpus: 1, pids: 1 },
        network: null,
        gpu: 0,
        log: () => {},
      },
      { image: { name: 'i', id: 'sha256:1', user, isChecked: false, misfit: null }, labels: {}, socket: null },
    ).User

  it('keep the image’s user if it is a number other than 0', () => {
    for (const user of ['1000', '1000:1000', '65532:65532', '10:staff']) assert.equal(userFor(user), user)
  })

  it('use the user 65532 instead of root and instead of a named user, because a name may stand for the number 0', () => {
    for (const user of ['', 'root', '0', '00:5', '0:0', ':5', 'toor', 'app', 'app:1000', '-0', '1e0', ' 0'])
      assert.equal(userFor(user), '65532:65532', user)
  })
})
