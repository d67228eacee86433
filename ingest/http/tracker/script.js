// Sluice's tracker: tells the collector what happens on a page. It sets no cookie and stores nothing.
//
// This is the source; script.min.js beside it is what is served, made by
// `python -m tests.end_to_end.bundler`. docs/trackers.md tells how to use it. The script of one site is
// called with that site's options.
(own => {
  const VERSION = 1
  const ENGAGED_MS = 3000 // Shorter stays are told only when more of the page was seen.
  const KEEPALIVE_LENGTH = 20000 // Browsers refuse keepalive requests of more than 64 KiB.
  const FILES =
    '7z|avi|csv|dmg|docx?|epub|exe|gz|key|midi|mov|mp3|mp4|mpeg|msi|odp|ods|odt|pdf|pkg|ppsx?|pptx?|rar|rtf|tar|tgz|txt|wav|webm|wma|wmv|xlsx?|zip'

  // An event in an element's classes, as in `plausible-event-name=Signup` or `plausible-event-name--Signup`.
  const TAG = /plausible-(event|revenue)-([^\s=]+?)(?:=|--(?!\S*=))(\S+)/g

  const page = document
  const { attributes, dataset, src } = page.currentScript
  const file = src.split('/').pop()

  // Who calls before this script is there leaves the calls in `q`; `o` is what `init` was given.
  const stub = (window.plausible = window.plausible || ((...call) => (stub.q = stub.q || []).push(call)))

  const start = given => {
    if (window.plausible.l) return
    given = Object.assign({}, own, given)

    // An option is on by its data attribute, by its word in the script's file name, or by `init`.
    const on = (attribute, word, value) =>
      attribute in dataset ? dataset[attribute] != 'false' : value || file.includes(`.${word}.`)

    const domain = dataset.domain || given.domain
    const endpoint = dataset.api || given.endpoint || new URL('/api/event', src).href
    const hashed = on('hash', 'hash', given.hashBasedRouting)
    // Plausible's script takes them always when the page starts it, and by a word in the older snippets.
    const tagged = on('tagged', 'tagged-events', !dataset.domain)
    const forms = on('forms', 'form-submissions', given.formSubmissions)
    const local = on('local', 'local', given.captureOnLocalhost)
    const outbound = on('outbound', 'outbound-links', given.outboundLinks)
    const downloads = on('downloads', 'file-downloads', given.fileDownloads)
    const extensions = dataset.downloads || (downloads.fileExtensions || '') + ''
    const files = RegExp(`\\.(${extensions.replace(/[ ,]+/g, '|') || FILES})$`, 'i')
    const custom = given.customProperties
    const common = JSON.parse(dataset.props || '{}')
    for (const { name, value } of attributes) if (/^event-/.test(name)) common[name.slice(6)] = value

    let viewed // The path of the last automatic pageview.
    let engaged // The pageview whose engagement is measured.
    let bottom // How far down the page was seen, in pixels,
    let told // and how far was told, in per cent.
    let attention // Milliseconds in which it was visible and had the focus, untold,
    let since // counted up to this time,
    let attentive // and whether it is and has now.

    const path = () => location.pathname + (hashed ? location.hash : '')

    // `*` is any text without a slash, `**` any text.
    const listed = patterns =>
      patterns.split(',').some(pattern => {
        const expression = pattern
          .trim()
          .replace(/[^\w*/-]/g, '\\$&')
          .replace(/\*+/g, stars => (stars[1] ? '.*' : '[^/]*'))
        return RegExp(`^${expression}/?$`).test(path())
      })

    const refusal = () => {
      try {
        if (localStorage.plausible_ignore == 'true') return 'plausible_ignore'
      } catch (_) {
        // Storage is forbidden here, so nobody can have put it there.
      }
      if (!local && /^(localhost|127\..*|\[::1]|)$/.test(location.hostname)) return 'local page'
      if (!local && navigator.webdriver) return 'automated browser'
      if (on('dnt') && (navigator.globalPrivacyControl || navigator.doNotTrack == 1)) return 'privacy signal'
      if (dataset.exclude && listed(dataset.exclude)) return 'excluded page'
      if (dataset.include && !listed(dataset.include)) return 'page not included'
    }

    const send = (event, callback = () => {}) => {
      event.v = VERSION
      event.d = domain
      if (hashed) event.h = 1
      if (given.transformRequest) event = given.transformRequest(event)
      if (!event) return callback()
      const body = JSON.stringify(event)
      const keepalive = body.length < KEEPALIVE_LENGTH
      // Where requests end with their page, a beacon does not.
      if (!('keepalive' in Request.prototype) && navigator.sendBeacon(endpoint, body)) return callback({})
      fetch(endpoint, { method: 'POST', body, keepalive, credentials: 'omit' }).then(callback, error =>
        callback({ error })
      )
    }

    const watch = () => {
      const now = performance.now()
      if (attentive) attention += now - since
      since = now
      attentive = page.visibilityState == 'visible' && page.hasFocus()
      bottom = Math.max(bottom, scrollY + innerHeight)
    }

    const tellEngagement = () => {
      if (!engaged) return
      watch()
      const depth = Math.min(100, Math.round((bottom / page.documentElement.scrollHeight) * 100))
      if (depth <= told && attention < ENGAGED_MS) return
      told = Math.max(told, depth)
      send({ n: 'engagement', u: engaged.u, p: engaged.p, sd: told, e: Math.round(attention) })
      attention = 0
    }

    const plausible = (name, { props, revenue, interactive, url, u, callback } = {}) => {
      const pageview = name == 'pageview'
      if (pageview) {
        tellEngagement()
        engaged = 0
      }
      const why = refusal()
      if (why) {
        if (given.logging != false) console.info(`sluice: ${name} not sent: ${why}`)
        return callback && callback()
      }
      const event = {
        n: name,
        u: url || u || location.href,
        r: page.referrer || null,
        p: Object.assign({}, common, custom && custom.call ? custom(name) : custom, props),
        $: revenue,
        i: interactive
      }
      if (pageview) {
        engaged = { u: event.u, p: event.p }
        watch()
        // An application's next page may for a moment be scrolled as the one before.
        bottom = told = attention = 0
      }
      send(event, callback)
    }

    const view = () => {
      if (viewed == path()) return
      viewed = path()
      plausible('pageview')
    }

    const viewAll = () => {
      // What is loaded in the background, or in advance, is no view until it is seen.
      if (page.visibilityState != 'visible')
        return page.addEventListener('visibilitychange', viewAll, { once: true })
      for (const method of ['pushState', 'replaceState']) {
        const original = history[method]
        history[method] = function () {
          original.apply(this, arguments)
          view()
        }
      }
      addEventListener('popstate', view)
      addEventListener('hashchange', view)
      addEventListener('pageshow', event => {
        // The browser had kept the whole page and shows it again.
        if (event.persisted) viewed = 0
        view()
      })
      view()
    }

    const near = event => event.composedPath().slice(0, 4)

    const tagsOf = nodes =>
      nodes
        .map(node => {
          const tag = { props: {} }
          if (tagged)
            String(node.classList).replace(TAG, (_, kind, key, value) => {
              value = value.replace(/\+/g, ' ')
              if (kind == 'revenue') (tag[kind] = tag[kind] || {})[key] = value
              else if (/^name$/i.test(key)) tag.name = value
              else tag.props[key] = value
            })
          return tag
        })
        .filter(tag => tag.name)

    const click = event => {
      if (event.button > 1) return
      const nodes = near(event)
      const tag = tagsOf(nodes).pop()
      if (tag) {
        // What is clicked in a form counts when the form is submitted.
        if (nodes.some(node => node.tagName == 'FORM')) return
        const target = nodes.find(node => node.href)
        if (target) tag.props.url = target.href
        return plausible(tag.name, tag)
      }
      const link = event.composedPath().find(node => node.host && node.href)
      if (!link || !/^http/.test(link.protocol)) return
      if (downloads && files.test(link.pathname))
        plausible('File Download', { props: { url: link.href.split(/[?#]/)[0] } })
      else if (outbound && link.host != location.host)
        plausible('Outbound Link: Click', { props: { url: link.href } })
    }

    for (const type of ['blur', 'focus', 'pagehide', 'visibilitychange'])
      addEventListener(type, () => {
        watch()
        if (!attentive) tellEngagement()
      }, true)
    addEventListener('scroll', watch)
    addEventListener('click', click, true)
    addEventListener('auxclick', click, true)
    addEventListener('submit', event => {
      const tag = tagsOf(near(event))[0]
      if (tag) plausible(tag.name, tag)
      else if (forms) plausible('Form: Submission')
    }, true)

    plausible.l = true
    plausible.v = VERSION
    plausible.init = start
    window.plausible = plausible
    if (!on('manual', 'manual', given.autoCapturePageviews == false)) viewAll()
    for (const call of stub.q || []) plausible(...call)
  }

  if (dataset.domain || stub.o) start(stub.o)
  else stub.init = start
})()
