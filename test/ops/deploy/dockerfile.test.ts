import assert from 'node:assert/strict'
import { readFileSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { GenericContainer, Wait } from 'testcontainers'
import { standInForNode } from '../../support/base-image.ts'
import { describeWithDocker } from '../../support/docker-daemon.ts'

const repository = resolve(import.meta.dirname, '..', '..', '..')

/** The official image is in a registry, so a stand-in has its name: Node, a shell, and an npm that takes the packages of this clone. */
describeWithDocker('The Dockerfile', (docker) => {
  it('builds an image that runs a swarm without root and answers', async (test) => {
    const packages = realpathSync(join(repository, 'node_modules'))
    // Testcontainers starts no container of its own, because its image would have to be pulled.
    process.env.TESTCONTAINERS_RYUK_DISABLED = 'true'
    // This Docker has no bridge, whose address testcontainers would look for.
    process.env.TESTCONTAINERS_HOST_OVERRIDE = '127.0.0.1'
    const [, base = ''] = /^FROM (\S+)$/m.exec(readFileSync(join(repository, 'Dockerfile'), 'utf8')) ?? []
    const missing = await standInForNode(docker().client, base, packages)
    if (missing !== null && process.env.CI !== 'true') return test.skip(missing)
    assert.equal(missing, null)
    const image = await GenericContainer.fromDockerfile(repository).withCache(true).build('waggle-test/waggle:1', { deleteOnExit: false })
    const container = await image
      .withCommand(['run', 'swarms/hello-world/swarm.yaml', '--json'])
      .withNetworkMode('none')
      .withBindMounts([{ source: packages, target: '/opt/node_modules', mode: 'ro' }])
      .withWaitStrategy(Wait.forLogMessage(/"event":"ready"/))
      .withStartupTimeout(120_000)
      .start()
    try {
      const script = `
        const answer = await fetch('http://127.0.0.1:8080/v1/gateways/hello/request', {
          method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name": "bear"}' })
        console.log(JSON.stringify({ status: answer.status, body: await answer.json(), uid: process.getuid() }))`
      const { output, exitCode } = await container.exec(['node', '--input-type=module', '-e', script])
      assert.equal(exitCode, 0, output)
      const { status, body, uid } = JSON.parse(output)
      assert.deepEqual([status, uid], [200, 1000])
      assert.match(JSON.stringify(body), /bear/)
    } finally {
      await container.stop({ timeout: 20_000 })
    }
  })
})
