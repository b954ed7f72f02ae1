import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { loadConfig } from '../../../ops/config/config.ts'
import { settings } from '../../../ops/config/settings.ts'

interface Service {
  readonly image?: string
  readonly build?: string
  readonly platform?: string
  readonly restart?: string
  readonly command?: readonly string[]
  readonly environment?: { readonly [variable: string]: string }
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly depends_on?: { readonly [service: string]: unknown }
  readonly healthcheck?: { readonly test: readonly string[] }
}

interface DataSource {
  readonly uid: string
  readonly type: string
  readonly url?: string
  readonly jsonData?: { readonly host: string; readonly port: number }
}

const repository = resolve(import.meta.dirname, '..', '..', '..')
const read = (file: string) => readFileSync(join(repository, file), 'utf8')
const compose = parse(read('docker-compose.yml')) as {
  readonly services: { readonly [name: string]: Service }
  readonly volumes: { readonly [name: string]: null }
}
const services = Object.entries(compose.services)

/** These tests need no images: they check that the files fit together. */
describe('docker-compose.yml', () => {
  it('has each service of a swarm, with a pinned version, a health check, and ports on this machine only', () => {
    for (const name of ['kafka', 'clickhouse', 'schema-registry', 'objects', 'prometheus', 'grafana', 'waggle'])
      assert.ok(compose.services[name], name)
    for (const [name, { image, build, healthcheck, ports }] of services) {
      if (build === undefined) assert.match(image ?? '', /^[\w./-]+:v?\d+\.\d+[\w.-]*$/, name)
      assert.ok((healthcheck?.test.length ?? 0) > 1, name)
      for (const port of ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/)
    }
  })

  it('restarts each service after its death, and after a restart of the machine', () => {
    for (const [name, { restart }] of services) assert.equal(restart, 'unless-stopped', name)
  })

  it('keeps all persistent data: schema ids in Kafka, and everything else in a volume', () => {
    const { environment = {}, depends_on = {} } = compose.services['schema-registry'] ?? {}
    assert.equal(environment.APICURIO_STORAGE_KIND, 'kafkasql')
    assert.equal(environment.APICURIO_KAFKASQL_BOOTSTRAP_SERVERS, compose.services.waggle?.environment?.KAFKA_BROKERS)
    assert.deepEqual(depends_on.kafka, { condition: 'service_healthy' })
    const volumes = services.flatMap(([, service]) => service.volumes ?? []).map((volume) => volume.split(':', 1)[0])
    for (const name of Object.keys(compose.volumes)) assert.ok(volumes.includes(name), name)
    const kept = new Set(services.flatMap(([name, service]) => ((service.volumes ?? []).some((one) => !one.startsWith('.')) ? [name] : [])))
    for (const name of ['kafka', 'clickhouse', 'objects', 'waggle', 'prometheus', 'grafana']) assert.ok(kept.has(name), name)
  })

  it('checks health with a program of the image, within the service’s start time', () => {
    // The programs for health checks: Kafka's own script, wget of busybox or Ubuntu, curl of UBI, nc of Alpine, and Node.
    const programs: { readonly [service: string]: string } = {
      kafka: '/opt/kafka/bin/kafka-broker-api-versions.sh',
      clickhouse: 'wget',
      'schema-registry': 'curl',
      objects: 'nc',
      waggle: 'node',
      entrance: 'wget',
      prometheus: 'wget',
      grafana: 'wget',
    }
    for (const [name, { healthcheck }] of services) {
      const [kind, ...words] = healthcheck?.test ?? []
      assert.ok(kind === 'CMD' || kind === 'CMD-SHELL', name)
      assert.equal(words.join(' ').split(' ')[0], Object.hasOwn(programs, name) ? programs[name] : '', name)
    }
  })

  it('gives Waggle’s image the memory settings of the launcher', () => {
    const [, arenas] = /MALLOC_ARENA_MAX: '(\d+)'/.exec(read('ops/setup/run-on-node.mjs')) ?? []
    assert.ok(arenas !== undefined && read('Dockerfile').includes(`ENV MALLOC_ARENA_MAX=${arenas}\n`))
  })

  it('names only volumes, files and services that exist', () => {
    for (const [name, { volumes, depends_on }] of services) {
      for (const [source = ''] of (volumes ?? []).map((volume) => volume.split(':'))) {
        assert.ok(source.startsWith('.') ? existsSync(join(repository, source)) : source in compose.volumes, `${name}: ${source}`)
      }
      for (const other of Object.keys(depends_on ?? {})) assert.ok(other in compose.services, `${name}: ${other}`)
    }
  })

  it('starts Waggle with valid settings and an existing swarm', () => {
    const { environment = {}, command = [] } = compose.services.waggle ?? {}
    const known = new Set(settings.map(({ variable }) => variable))
    for (const variable of Object.keys(environment)) assert.ok(known.has(variable) || variable.startsWith('AWS_'), variable)
    assert.equal(loadConfig({ directories: [], env: environment }).settings.log, 'kafka')
    assert.equal(compose.services.waggle?.platform, 'linux/amd64')
    assert.equal(command[0], 'run')
    assert.ok(existsSync(join(repository, command[1] ?? 'nowhere')))
    const [entry] = /ENTRYPOINT (\[.+\])/.exec(read('Dockerfile'))?.slice(1) ?? []
    const [program, file = 'nowhere'] = JSON.parse(entry ?? '[]') as readonly string[]
    assert.deepEqual([program, existsSync(join(repository, file))], ['node', true])
  })

  it('fetches the models of the swarm from its own S3', () => {
    const { environment = {}, volumes = [], command = [], depends_on = {} } = compose.services.waggle ?? {}
    const objects = compose.services.objects
    assert.deepEqual(
      [environment.AWS_ACCESS_KEY_ID, environment.AWS_SECRET_ACCESS_KEY],
      [objects?.environment?.ROOT_ACCESS_KEY, objects?.environment?.ROOT_SECRET_KEY],
    )
    assert.equal(environment.AWS_ENDPOINT_URL_S3, `http://objects:${objects?.ports?.[0]?.split(':').at(-1)}`)
    assert.deepEqual(depends_on.objects, { condition: 'service_healthy' })
    const swarm = command[1] ?? ''
    const [map = ''] = volumes.flatMap((volume) =>
      volume.includes(`:/waggle/${dirname(swarm)}/waggle.yaml:`) ? [volume.split(':', 1)[0] ?? ''] : [],
    )
    const mapped = Object.keys((parse(read(map)) as { readonly resolve: object }).resolve)
    const images = Object.keys((parse(read(join(dirname(swarm), 'waggle.yaml'))) as { readonly resolve: object }).resolve).filter(
      (name) => !name.startsWith('s3:'),
    )
    assert.deepEqual(mapped, images)
    const models = [...read(swarm).matchAll(/model: s3:\/\/([^/]+)\/(\S+)/g)]
    assert.equal(models.length, 2)
    for (const [, bucket, key = ''] of models) {
      const [folder = ''] = (objects?.volumes ?? []).flatMap((volume) =>
        volume.includes(`:/objects/${bucket}:`) ? [volume.split(':', 1)[0] ?? ''] : [],
      )
      assert.ok(existsSync(join(repository, folder, key)), key)
    }
  })

  it('has a data source in Grafana for each query of its boards, with the plugin and the server of the source', () => {
    const sources = (parse(read('ops/deploy/grafana-datasources.yml')) as { readonly datasources: readonly DataSource[] }).datasources
    const boards = globSync('ops/deploy/grafana/*.json', { cwd: repository })
    assert.ok(boards.length >= 4)
    for (const file of boards) {
      const named = [...read(file).matchAll(/"datasource": \{\s*"type": "([^"]+)",\s*"uid": "([^"]+)"/g)]
      assert.ok(named.length > 0, file)
      for (const [, type, uid] of named)
        assert.ok(
          sources.some((one) => one.type === type && one.uid === uid),
          `${file}: ${type} ${uid}`,
        )
    }
    const grafana = compose.services.grafana
    const clickhouse = sources.find(({ uid }) => uid === 'clickhouse')
    assert.equal(grafana?.environment?.GF_PLUGINS_PREINSTALL?.split('@')[0], clickhouse?.type)
    assert.equal(`http://${clickhouse?.jsonData?.host}:${clickhouse?.jsonData?.port}`, compose.services.waggle?.environment?.CLICKHOUSE_URL)
    for (const { url, jsonData } of sources) {
      const host = jsonData?.host ?? new URL(url ?? '').hostname
      assert.ok(host in (grafana?.depends_on ?? {}), host)
    }
  })

  it('opens only the entrance’s port to other machines, for bodies as large as Waggle’s limit', () => {
    const nginx = read('ops/deploy/nginx.conf')
    const { http_port, max_body_bytes } = loadConfig({ directories: [], env: {} }).settings
    assert.ok(nginx.includes(`proxy_pass http://127.0.0.1:${http_port};`))
    assert.ok(nginx.includes(`client_max_body_size ${max_body_bytes / 1024 / 1024}m;`))
    const inside = compose.services.waggle?.ports?.[0]?.split(':').at(-1)
    assert.ok(nginx.includes(`listen ${inside};`))
    assert.ok(read('ops/deploy/prometheus.yml').includes(`waggle:${inside}`))
  })
})
