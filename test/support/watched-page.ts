import assert from 'node:assert/strict'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'

/** The time limit of pages. On a busy machine, the loading of a page and its responses may take long. */
const timeout = 60_000

/** The kinds of browsers in which each view is checked. */
export const looks: { readonly [name: string]: BrowserContextOptions } = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  'on a phone': { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
}

/**
 * Opens a page and does the work. Fails if the page has reported an error, violated its Content-Security-Policy, or sent a request to another server.
 */
export async function onPage(
  browser: Browser,
  { url, options = {} }: { readonly url: string; readonly options?: BrowserContextOptions },
  work: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options)
  try {
    const page = await context.newPage()
    page.setDefaultTimeout(timeout)
    const errors: string[] = []
    page.on('pageerror', (error) => void errors.push(String(error)))
    page.on('console', (message) => void (message.text().includes('Content Security Policy') && errors.push(message.text())))
    const { origin } = new URL(url)
    page.on('request', (request) => void (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url()) && errors.push(request.url())))
    await page.goto(url)
    await work(page)
    assert.deepEqual(errors, [])
  } finally {
    await context.close()
  }
}

/** Clicks again while the gateway answers 503, as it does if other tests keep the machine busy. */
export async function clicked(page: Page, button: Locator, path: RegExp): Promise<void> {
  for (;;) {
    const [response] = await Promise.all([page.waitForResponse((one) => path.test(one.url())), button.click()])
    if (response.status() !== 503) return
  }
}

export async function sendJson(page: Page, input: unknown): Promise<void> {
  await page.getByRole('textbox', { name: /JSON/ }).fill(JSON.stringify(input))
  await clicked(page, page.getByRole('button', { name: 'Send' }), /\/request$/)
}
