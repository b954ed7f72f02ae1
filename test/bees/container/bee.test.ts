import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { describeWithDocker } from '../../support/docker-daemon.ts'
import { ReplicatedBee } from '../../support/replicated-bee.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

describeWithDocker('A swarm with a container bee', (docker) => {
  const script = `
    import { hostname } from 'node:os'
    import { createInterface } from 'node:readline'
    console.error('the model is loaded')
    console.log(JSON.stringify({ waggle: 1 }))
    for await (const line of createInterface(process.stdin)) {
      const { id, json } = JSON.parse(line)
      if (json.die) process.exit(9)
      if (json.refuse) console.log(JSON.stringify({ id, refuse: 'not a photo' }))
      else if (!json.hang) console.log(JSON.stringify({ id, json: { uid: process.getuid(), says: process.env.GREETING, ...(json.who ? { host: hostname() } : {}) } }))
    }`

  const beesOf = (spec: object, more = '') =>
    `  - {name: svm, type: container, input: {name: entrance}${more}, spec: ${JSON.stringify(spec)}}\n  - {name: answer, type: respond, input: {name: svm}}`

  const ofImage = (more: object = {}) => ({
    image: docker().image,
    command: ['node', '--input-type=module', '-e', script],
    env: { GREETING: 'hello' },
    memory: '256m',
    cpus: 0.5,
    pids: 64,
    ...more,
  })

  it('answers from the container, logs its lines under its name, also for waggle bees logs, and leaves no container behind', async () => {
    const swarm = await SwarmHere.open({}, { bees: beesOf(ofImage()) })
    const response = await swarm.ask({ photo: 1 })
    assert.deepEqual([response.status, await response.json()], [200, { uid: 65532, says: 'hello' }])
    const [container] = await docker().client.listContainers({ filters: { label: ['waggle.bee=svm'] } })
    const { HostConfig: host } = await docker()
      .client.getContainer(container?.Id ?? '')
      .inspect()
    assert.deepEqual([host.Memory, host.NanoCpus, host.PidsLimit, host.NetworkMode], [256 * 1024 ** 2, 5e8, 64, 'none'])
    const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'bees', 'logs', swarm.name, 'svm', '--url', swarm.url])
    assert.match(stdout, /^\S+ {2}info {3}the model is loaded$/m)
    await swarm[Symbol.asyncDispose]()
    assert.ok(swarm.said.includes('info the model is loaded'), swarm.said.join('\n'))
    await eventually(async () => (await docker().client.listContainers({ all: true })).length === 0)
  })

  const letters = async (swarm: SwarmHere) =>
    ((await swarm.topic('.dead-letters'))?.offsets ?? []).reduce((sum, { start, end }) => sum + end - start, 0)

  it('answers 422 if the container refuses and 502 with a dead letter if the container dies, and answers the next request', async () => {
    await using swarm = await SwarmHere.open({}, { bees: beesOf(ofImage({ cpus: 1 }), ', timeout_seconds: 120') })
    assert.equal((await swarm.ask({ refuse: true })).status, 422)
    // The container starts twice before the request counts as the cause of its death.
    const died = await swarm.ask({ die: true }, { headers: { 'x-timeout-seconds': '120' } })
    const problem = (await died.json()) as { readonly bee: string; readonly detail: string }
    assert.deepEqual([died.status, problem.bee], [502, 'svm'])
    assert.match(problem.detail, /ended with status 9 while it had this request/)
    assert.equal((await swarm.ask({ photo: 1 })).status, 200)
    await eventually(async () => (await letters(swarm)) === 1)
  })

  it('answers 502 with a dead letter if the container never answers, and answers the next request', async () => {
    await using swarm = await SwarmHere.open({}, { bees: beesOf(ofImage({ cpus: 1 }), ', timeout_seconds: 4') })
    const hung = await swarm.ask({ hang: true })
    assert.equal(hung.status, 502)
    assert.match(((await hung.json()) as { readonly detail: string }).detail, /No result within 4000 ms/)
    await eventually(async () => (await letters(swarm)) === 1)
    // A request that waits too long for the next container also fails.
    await eventually(async () => (await swarm.ask({ photo: 1 })).status === 200)
  })

  it('shares its requests among as many containers as it has replicas', async () => {
    await using swarm = await SwarmHere.open({}, { bees: beesOf(ofImage(), ', replicas: 2') })
    const host = async () => ((await (await swarm.ask({ who: true })).json()) as { readonly host: string }).host
    // Both containers are ready when the swarm is open. Requests arrive one after the other, so the containers alternate.
    const hosts = [await host(), await host(), await host(), await host()]
    assert.equal(new Set(hosts.slice(0, 2)).size, 2)
    assert.deepEqual(hosts.slice(2), hosts.slice(0, 2))
    assert.equal((await docker().client.listContainers({ filters: { label: ['waggle.bee=svm'] } })).length, 2)
  })

  it('gets a second container while requests wait, shares the requests, and removes the container when one is enough', async () => {
    await using bee = await ReplicatedBee.open(`max_replicas: 2, type: container, spec: ${JSON.stringify(ofImage())}`)
    const containers = async () => (await docker().client.listContainers({ filters: { label: ['waggle.bee=work'] } })).length
    const hosts = (results: readonly Payload[]) =>
      new Set(results.map((result) => (result as { readonly json: { readonly host: string } }).json.host))
    const times = (count: number) => Array<object>(count).fill({ who: true })
    assert.deepEqual([bee.counts.replicas, await containers()], [1, 1])
    for (let time = 0; time < 2; time++) assert.equal(hosts(await bee.halfSecond(times(8))).size, 1)
    assert.deepEqual([bee.counts.replicas, await containers()], [2, 2])
    for (let time = 0; time < 20; time++) assert.equal(hosts(await bee.halfSecond(times(2))).size, 2)
    for (let time = 0; time < 70; time++) await bee.halfSecond()
    assert.deepEqual(bee.counts, { replicas: 1, grown: 1, shrunk: 1, takenBack: 0, failed: 0 })
    await eventually(async () => (await containers()) === 1)
    assert.equal(hosts(await bee.halfSecond(times(4))).size, 1)
  })

  it('does not start if the image exists nowhere, and the error names the bee, the image and the next step', async () => {
    const allowed = { WAGGLE_IMAGE_HOSTS: '127.0.0.1:1' }
    await assert.rejects(SwarmHere.open(allowed, { bees: beesOf({ image: '127.0.0.1:1/no-such-image:1' }) }), (error: Error & { next: string }) => {
      assert.match(error.message, /svm names the image 127\.0\.0\.1:1\/no-such-image:1, which is not on this machine and cannot be pulled/)
      assert.match(error.next, /resolve: \{"127\.0\.0\.1:1\/no-such-image:1": \[program, argument\]\}/)
      return true
    })
  })

  it('does not start if its container would share the machine’s network, or has a memory limit that Docker refuses', async () => {
    await assert.rejects(SwarmHere.open({}, { bees: beesOf(ofImage({ network: 'host' })) }), /svm asks for the network of this machine/)
    await assert.rejects(SwarmHere.open({}, { bees: beesOf(ofImage({ memory: '512' })) }), /svm has 512 of memory, and needs at least 6m/)
  })
})
