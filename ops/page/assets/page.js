import { html, render, useEffect, useState } from 'htm/preact/standalone'
import { Ask } from './ask.js'
import { Bee } from './bee.js'
import { Profile } from './flame.js'
import { Graph } from './graph.js'
import { Letters } from './letters.js'
import { rateText, useLive } from './live.js'
import { Predictions } from './predictions.js'
import { Requests } from './requests.js'
import { SignIn } from './sign-in.js'
import { SwarmState } from './swarm-state.js'
import { Swarms } from './swarms.js'
import { Topics } from './topics.js'
import { usePlace } from './view-address.js'
import { Waterfall } from './waterfall.js'

const states = {
  connecting: 'Connecting …',
  live: 'Live',
  away: 'The server is away. Reconnecting …',
  'signed-out': 'Signed out',
  elsewhere: 'Not shown here',
}

/** The views of a swarm, in the order of the tabs. */
const views = [
  { name: 'swarm', title: 'Swarm', View: SwarmView },
  { name: 'requests', title: 'Requests', View: RequestsView },
  {
    name: 'predictions',
    title: 'Predictions',
    View: ({ swarm, follow }) => html`<${Predictions} key=${swarm.name} swarm=${swarm.name} onFollow=${follow} />`,
  },
  { name: 'letters', title: 'Dead letters', View: LettersView },
  {
    name: 'topics',
    title: 'Topics',
    View: ({ place, go, follow }) => html`<${Topics} chosen=${place.topic} onChoose=${(topic) => go({ topic })} onFollow=${follow} />`,
  },
  { name: 'profile', title: 'Profile', View: ProfileView },
  { name: 'swarms', title: 'Versions', View: ({ place, go }) => html`<${Swarms} chosen=${place.swarm} onChoose=${(swarm) => go({ swarm })} />` },
]

function Page() {
  const { state, shape, swarms, restartedAt, reconnect } = useLive()
  const [place, go] = usePlace()
  const [isTried, setIsTried] = useState(false)
  const isTall = useMedia('(max-width: 60rem)')
  const swarm = shape?.swarms.find((one) => one.name === place.swarm) ?? shape?.swarms[0]
  const numbers = swarm && swarms.get(swarm.name)
  const view = views.find((one) => one.name === place.view) ?? views[0]
  const isOpen = shape !== null && state !== 'signed-out' && state !== 'elsewhere'
  return html`<header>
      <h1>Waggle</h1>
      ${
        isOpen &&
        html`<nav aria-label="Views">${views.map(
          ({ name, title }) =>
            html`<a key=${name} href=${`#${new URLSearchParams({ view: name, ...(swarm ? { swarm: swarm.name } : {}) })}`} aria-current=${name === view.name ? 'page' : null}>${title}</a>`,
        )}</nav>`
      }
      ${
        shape?.swarms.length > 1 &&
        html`<label class="choice">Swarm <select value=${swarm.name} onChange=${({ target }) => go({ swarm: target.value, bee: null })}>${shape.swarms.map((one) => html`<option value=${one.name} selected=${one.name === swarm.name}>${one.name}</option>`)}</select></label>`
      }
      <span class=${`state ${state}`} role="status">${states[state]}${state === 'live' && restartedAt ? ` since the server restarted at ${restartedAt.toLocaleTimeString()}` : ''}</span>
    </header>
    ${body()}`

  function body() {
    if (state === 'signed-out') {
      const onSignIn = () => {
        setIsTried(true)
        reconnect()
      }
      return html`<${SignIn} isRefused=${isTried} onSignIn=${onSignIn} />`
    }
    if (state === 'elsewhere')
      return html`<main><p class="loading">Without tokens this server shows itself to callers of its own machine alone: open http://127.0.0.1:PORT there, or create a token.</p></main>`
    if (shape === null) return html`<main><p class="loading">${states[state]}</p></main>`
    if (!swarm && view.name !== 'topics' && view.name !== 'profile' && view.name !== 'swarms')
      return html`<main><p class="loading">No swarm runs here.</p></main>`
    const follow = (request) => go({ request, view: view.name === 'swarm' ? 'swarm' : 'requests' })
    return html`<main key=${view.name}><${view.View} ...${{ swarm, numbers, isTall, place, go, follow }} /></main>`
  }
}

function SwarmView({ swarm, numbers, isTall, place, go, follow }) {
  const [progress, setProgress] = useState(null)
  useEffect(() => setProgress(null), [swarm.name])
  const bee = swarm.bees.find((one) => one.name === place.bee)
  const entrance = swarm.bees.find((one) => swarm.gateways.some((gateway) => gateway.bee === one.name))
  const select = useSame((name) => go({ bee: name === place.bee ? null : name }))
  return html`<section class="wide" aria-labelledby="swarm-title">
      <div class="head">
        <h2 id="swarm-title">${swarm.name}</h2>
        <p class="quiet">${numbers ? `${rateText(numbers.rates[entrance?.topic])} requests · ${numbers.in_hand} in hand${numbers.not_ready ? ` · ${numbers.not_ready}` : ''}` : 'measuring …'}</p>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Graph"><${Graph} ...${{ swarm, numbers, progress, isTall }} selected=${bee?.name ?? null} onSelect=${select} /></div>
    </section>
    ${bee && html`<section class="tall" aria-label=${bee.name}><${Bee} key=${bee.name} swarm=${swarm.name} bee=${bee} numbers=${numbers} onFollow=${follow} onClose=${() => go({ bee: null })} /></section>`}
    <section aria-labelledby="ask-title">
      <h2 id="ask-title">Ask</h2>
      <${Ask} key=${swarm.name} swarm=${swarm} onBegin=${() => setProgress(new Map())} onProgress=${(one, how) => setProgress((known) => new Map(known).set(one, how))} onDone=${follow} />
    </section>
    <section aria-labelledby="way-title">
      <h2 id="way-title">The way of a request</h2>
      <${Waterfall} id=${place.request} onFind=${follow} />
      <${Requests} swarm=${swarm.name} onFollow=${follow} />
    </section>
    <section class="wide" aria-labelledby="inside-title">
      <h2 id="inside-title">What waits, and what is kept</h2>
      <${SwarmState} swarm=${swarm.name} />
    </section>`
}

function RequestsView({ swarm, place, follow }) {
  return html`<section aria-labelledby="requests-title">
      <h2 id="requests-title">Requests of ${swarm.name}</h2>
      <${Requests} key=${swarm.name} swarm=${swarm.name} onFollow=${follow} isWhole />
    </section>
    <section aria-labelledby="way-title">
      <h2 id="way-title">The way of a request</h2>
      <${Waterfall} id=${place.request} onFind=${follow} />
    </section>`
}

function LettersView({ swarm, follow }) {
  return html`<section class="wide" aria-labelledby="letters-title">
    <h2 id="letters-title">Dead letters of ${swarm.name}</h2>
    <${Letters} key=${swarm.name} swarm=${swarm.name} onFollow=${follow} />
  </section>`
}

function ProfileView({ swarm }) {
  return html`<section class="wide" aria-labelledby="profile-title">
    <h2 id="profile-title">Profile</h2>
    <${Profile} swarm=${swarm?.name} />
  </section>`
}

function useMedia(query) {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const media = matchMedia(query)
    const change = () => setMatches(media.matches)
    media.addEventListener('change', change)
    return () => media.removeEventListener('change', change)
  }, [query])
  return matches
}

/**
 * Returns a function that stays the same object, and calls the newest `act`. The bees of a graph therefore need not be drawn again when `act`
 * changes.
 */
function useSame(act) {
  const [holder] = useState(() => {
    const made = { act, same: (...given) => made.act(...given) }
    return made
  })
  holder.act = act
  return holder.same
}

const place = document.getElementById('page')
place.replaceChildren()
render(html`<${Page} />`, place)
