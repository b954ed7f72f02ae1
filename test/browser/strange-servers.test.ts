import assert from 'node:assert/strict'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { it } from 'node:test'
import type { Page } from 'playwright-core'
import type { PageCounts, PageShape } from '../../topology/swarm/page.ts'
import { describeWithChromium } from '../support/chromium.ts'
import { freePort } from '../support/free-port.ts'
import { moduleSwarm, ServerHere } from '../support/server-here.ts'
import { SwarmHere } from '../support/swarm-here.ts'
import { onPage, sendJson } from '../support/watched-page.ts'

type Bee = PageShape['swarms'][number]['bees'][number]

/** Answers `/v1/live` with swarms and counts that no real swarm of a test could have. */
async function withLive(page: Page, bees: readonly Bee[], counts: readonly number[]): Promise<void> {
  const shape: PageShape = { instance: 'one', swarms: [{ name: 'strange', gateways: [], bees }] }
  const events = counts.map(
    (at, index): PageCounts => ({
      at,
      swarms: [
        {
          name: 'strange',
          not_ready: null,
          in_hand: 0,
          topics: Object.fromEntries(bees.map(({ name }) => [name, 100 * index])),
          waiting: {},
          bees: {},
        },
      ],
    }),
  )
  const body = [`event: shape\ndata: ${JSON.stringify(shape)}\n\n`, ...events.map((data) => `event: counts\ndata: ${JSON.stringify(data)}\n\n`)].join(
    '',
  )
  await page.route('**/v1/live', (route) => route.fulfill({ contentType: 'text/event-stream', body }))
  await page.reload()
}

const bee = (name: string, after: readonly string[] = []): Bee => ({ name, type: 'module', after, topic: name })

describeWithChromium('The page of a strange server', (browser) => {
  it('draws a thousand bees without overlaps, and opens the last bee', async () => {
    const here = await SwarmHere.open({})
    try {
      const bees = [...Array(1000).keys()].map((at) => bee(`bee-${at}`, at === 0 ? [] : [`bee-${Math.floor((at - 1) / 3)}`]))
      await onPage(browser(), { url: `${here.url}/` }, async (page) => {
        await withLive(page, bees, [1000, 2000])
        await page.locator('.bee').nth(999).waitFor()
        const places = await page.locator('.bee').evaluateAll((all) => all.map((one) => one.getAttribute('transform')))
        assert.equal(new Set(places).size, 1000)
        // The dots of each frame are one element for each bee with readers, and not one for each edge.
        await page.locator('.moving').first().waitFor({ state: 'attached' })
        const paths = await page.locator('.moving').evaluateAll((all) => all.map((one) => one.getAttribute('d')?.match(/M/g)?.length ?? 0))
        assert.deepEqual([paths.length, paths.reduce((sum, one) => sum + one)], [333, 999])
        await page.getByRole('button', { name: /^bee-999, module/ }).press('Enter')
        await page.getByRole('heading', { name: 'bee-999' }).waitFor()
      })
    } finally {
      await here[Symbol.asyncDispose]()
    }
  })

  it('shows names that are markup, or wider than a box, as text inside their box', async () => {
    const here = await SwarmHere.open({})
    try {
      const names = ['<script>alert(1)</script>', 'W'.repeat(200), '__proto__', 'constructor', '👩‍👩‍👧‍👦'.repeat(40), 'شبكة-النحل-'.repeat(20)]
      await onPage(browser(), { url: `${here.url}/` }, async (page) => {
        await withLive(
          page,
          names.map((name) => bee(name)),
          [1000, 2000],
        )
        await page.getByRole('button', { name: /^<script>alert\(1\)<\/script>, module/ }).waitFor()
        await page
          .locator('.bee')
          .nth(names.length - 1)
          .waitFor()
        const over = await page.locator('.bee').evaluateAll((all) =>
          all.flatMap((one) => {
            const box = one.querySelector('.box')?.getBoundingClientRect()
            return [...one.querySelectorAll('text')]
              .filter((text) => box !== undefined && text.getBoundingClientRect().right > box.right)
              .map((text) => text.textContent)
          }),
        )
        assert.deepEqual(over, [])
      })
    } finally {
      await here[Symbol.asyncDispose]()
    }
  })

  it('shows no rate for counts between which the server’s clock has jumped', async () => {
    const here = await SwarmHere.open({})
    try {
      await onPage(browser(), { url: `${here.url}/` }, async (page) => {
        // The clock jumps backwards, and a day forwards. Only the times of the last two counts follow each other.
        await withLive(page, [bee('door')], [10_000, 5000, 86_405_000, 86_407_000])
        await page.getByRole('button', { name: /^door, module, 50\/s/ }).waitFor()
      })
    } finally {
      await here[Symbol.asyncDispose]()
    }
  })

  it('reports that the server is unreachable, reconnects to the next run at the address, and reports the restart', async () => {
    const port = await freePort()
    const server = await ServerHere.open({ WAGGLE_HTTP_PORT: String(port) })
    try {
      server.write('work.mjs', 'export default (input) => input')
      assert.equal((await server.call('POST', '/v1/swarms', moduleSwarm('shop', './work.mjs'))).status, 201)
      await onPage(browser(), { url: `${server.url}/` }, async (page) => {
        await page.getByText('Live', { exact: true }).waitFor()
        await server.stop()
        await page.getByText('The server is away. Reconnecting …').waitFor()
        await page.getByRole('button', { name: /^work, module/ }).waitFor()
        await server.start()
        await page.getByText(/^Live since the server restarted at/).waitFor()
        await sendJson(page, { text: 'again' })
        await page.locator('.ask pre', { hasText: 'again' }).waitFor()
      })
    } finally {
      await server[Symbol.asyncDispose]()
    }
  })

  it('updates a swarm of the server after it has shown the difference, and rolls the swarm back', async () => {
    const server = await ServerHere.open()
    try {
      server.write('shelf/work.mjs', 'export default (input) => ({ was: input })')
      server.write('shelf/other.mjs', 'export default (input) => ({ is: input })')
      assert.equal((await server.call('POST', '/v1/swarms?directory=shelf', moduleSwarm('shop', './work.mjs'))).status, 201)
      await onPage(browser(), { url: `${server.url}/#view=swarms` }, async (page) => {
        await page.getByLabel('The swarm’s text').fill(moduleSwarm('shop', './other.mjs'))
        await page.getByRole('button', { name: 'Compare with what runs' }).click()
        await page.getByText('~ bees changed').waitFor()
        await page.getByRole('button', { name: 'Update' }).click()
        await page.getByText('Update: done.').waitFor()
        assert.deepEqual(await server.answer('shop', 1), { is: 1 })
        await page.getByRole('button', { name: 'Roll back to 1' }).click()
        await page.getByText('Roll back to 1: done.').waitFor()
        assert.deepEqual(await server.answer('shop', 1), { was: 1 })
        server.write('shelf/work.mjs', 'export default (input) => ({ edited: input })')
        await page.getByRole('button', { name: 'Compare with what runs' }).click()
        await page.getByText('~ file changed: work.mjs (work)').waitFor()
        await page.getByText('Requests in flight at this process: 0.').waitFor()
        await page.getByRole('button', { name: 'Update' }).click()
        await page.getByText('Update: done.').waitFor()
        assert.deepEqual(await server.answer('shop', 1), { edited: 1 })
        await page.getByText('Files changed since: work.mjs').first().waitFor()
        await page.getByRole('button', { name: 'Roll back to 1' }).click()
        await page.getByText('version 1 ran other files').waitFor()
      })
    } finally {
      await server[Symbol.asyncDispose]()
    }
  })

  it('says that a proxy keeps calls back, if the proxy answers with HTML', async () => {
    const here = await SwarmHere.open({})
    const closed = { status: 403, contentType: 'text/html', body: '<html><h1>403 Forbidden</h1></html>' }
    try {
      await onPage(browser(), { url: `${here.url}/` }, async (page) => {
        await page.route('**/v1/topics', (route) => route.fulfill(closed))
        await page.getByText('Live', { exact: true }).waitFor()
        await page.getByRole('link', { name: 'Topics' }).click()
        await page.getByText(/^Status 403.*Let the proxy before Waggle pass on this call/).waitFor()
        await page.route('**/v1/live', (route) => route.fulfill(closed))
        await page.reload()
        await page.getByText('Not shown here', { exact: true }).waitFor()
      })
    } finally {
      await here[Symbol.asyncDispose]()
    }
  })

  it('works below a path prefix of a proxy', async () => {
    const [port, own] = [await freePort(), await freePort()]
    const here = await SwarmHere.open({
      WAGGLE_HTTP_PORT: String(own),
      WAGGLE_HOSTS: `127.0.0.1:${port}`,
      WAGGLE_TOKENS: 'page=a-secret-of-a-page:read,ask:*',
    })
    const proxy = await prefixProxy(port, own)
    try {
      await onPage(browser(), { url: `http://127.0.0.1:${port}/bees/here/` }, async (page) => {
        await page.getByLabel('Token').fill('a-secret-of-a-page')
        await page.getByRole('button', { name: 'Sign in' }).click()
        await page.getByText('Live', { exact: true }).waitFor()
        await sendJson(page, { text: 'through' })
        await page.locator('.ask pre', { hasText: 'through' }).waitFor()
        await page.getByRole('link', { name: 'Topics' }).click()
        await page.getByRole('button', { name: `waggle.gateway.${here.name}` }).waitFor()
      })
    } finally {
      proxy.closeAllConnections()
      proxy.close()
      await here[Symbol.asyncDispose]()
    }
  })
})

/** A proxy that forwards paths below `/bees/here` without this prefix, and answers 404 to all other paths. */
async function prefixProxy(port: number, to: number): Promise<Server> {
  const proxy = createServer((request, response) => {
    const path = /^\/bees\/here(\/.*)$/.exec(request.url ?? '')?.[1]
    if (path === undefined) {
      response.writeHead(404).end()
      return
    }
    const passed = httpRequest(
      { port: to, host: '127.0.0.1', method: request.method, path, headers: { ...request.headers, 'x-forwarded-prefix': '/bees/here' } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      },
    )
    passed.on('error', () => response.destroy())
    response.on('close', () => passed.destroy())
    request.pipe(passed)
  })
  await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve))
  return proxy
}
