import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { describeWithDocker } from '../../support/docker-daemon.ts'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { makePythonImage } from '../../support/python-image.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const answer = '\n  - {name: answer, type: respond, input: {name: work}}'
const bees = (spec: object, more = '') =>
  `  - {name: work, type: python, timeout_seconds: 60, input: {name: entrance}${more}, spec: ${JSON.stringify({ file: './work.py', bee: 'work', ...spec })}}${answer}`

const work = `
import os, socket, beside
from waggle import register_bee

print("loaded in the image")

def attempt(act):
    try:
        act()
        return "done"
    except OSError:
        return "refused"

@register_bee(name="work")
def work(swarm, payload, context):
    return {
        "beside": beside.value,
        "folder": os.getcwd(),
        "greeting": os.environ.get("GREETING"),
        "root": os.getuid() == 0,
        "host": socket.gethostname(),
        "write": attempt(lambda: open("work.py", "a")),
        "connect": attempt(lambda: socket.create_connection(("192.0.2.1", 80), timeout=1)),
    }
`
const files = { 'work.py': work, 'beside.py': 'value = 7\n' }

describeWithDocker('A Python bee in an image', (docker) => {
  let image = ''
  before(async () => {
    if (skipWithoutPython === false) image = await makePythonImage(docker().client)
  })

  it('runs its file beside its modules, without network, root or write access, and logs its prints', { skip: skipWithoutPython }, async () => {
    await using swarm = await SwarmHere.open({}, { bees: bees({ image, memory: '256m', env: { GREETING: 'hello' } }), files })
    const { host: _, ...said } = (await (await swarm.ask({})).json()) as { readonly host: string }
    const expected = { beside: 7, folder: '/waggle/bee', greeting: 'hello', root: false, write: 'refused', connect: 'refused' }
    assert.deepEqual(said, expected)
    const [container] = await docker().client.listContainers({ filters: { label: ['waggle.bee=work'] } })
    const { HostConfig: host } = await docker()
      .client.getContainer(container?.Id ?? '')
      .inspect()
    assert.deepEqual([host.Memory, host.NetworkMode, host.ReadonlyRootfs], [256 * 1024 ** 2, 'none', true])
    assert.ok(swarm.said.includes('info loaded in the image'), swarm.said.join('\n'))
  })

  it('runs in as many containers as it has workers', { skip: skipWithoutPython }, async () => {
    await using swarm = await SwarmHere.open({}, { bees: bees({ image, workers: 2 }), files })
    const host = async () => ((await (await swarm.ask({})).json()) as { readonly host: string }).host
    assert.equal(new Set([await host(), await host()]).size, 2)
  })

  it('causes an error with the line of its file if it cannot start', { skip: skipWithoutPython }, async () => {
    const broken = { ...files, 'beside.py': 'value = 7\nimport no_such_package\n' }
    await assert.rejects(SwarmHere.open({}, { bees: bees({ image }), files: broken }), (error: Error & { readonly place: string }) => {
      assert.match(error.message, /work cannot start: ModuleNotFoundError.*no_such_package/)
      assert.match(error.place, /beside\.py:2$/)
      return true
    })
  })

  it('does not start if its image has no Python, or exists nowhere', { skip: skipWithoutPython }, async () => {
    await assert.rejects(SwarmHere.open({}, { bees: bees({ image: docker().image }), files }), { next: /Name an image that has python3 on its PATH/ })
    await assert.rejects(SwarmHere.open({}, { bees: bees({ image: '127.0.0.1:1/none:1' }), files }), /names the image 127\.0\.0\.1:1\/none:1/)
  })
})

describe('A Python bee with an image', { skip: skipWithoutPython }, () => {
  it('runs by the command that resolve: names instead of the image', async () => {
    const map = 'resolve:\n  "python:3": [python3, -X, utf8=1]\n'
    await using swarm = await SwarmHere.open({}, { bees: bees({ image: 'python:3' }), files: { ...files, 'waggle.yaml': map } })
    assert.equal(((await (await swarm.ask({})).json()) as { readonly beside: number }).beside, 7)
  })

  it('is refused if it also has requirements, because the image contains its packages', async () => {
    const opening = SwarmHere.open({}, { bees: bees({ image: 'python:3', requirements: './r.txt' }), files: { ...files, 'r.txt': '' } })
    await assert.rejects(opening, /work has an image and requirements/)
  })
})
