# A release, step by step: what .github/workflows/images.yml and release.yml call, and `make release-rehearsal` on one machine.
DIST ?= dist
RELEASES ?= releases
SHARDS ?= 2
SHARD ?=
PLATFORM ?=
FROM ?=
TO ?=
DATE ?= $(shell date -u +%Y%m%d)
SIGN ?= $(addprefix --trust $(KEYS) --key ,$(firstword $(wildcard $(KEYS)/private/*.key)))
PUBLIC ?= $(wildcard cosign.pub)
KEYS ?= .imagemill/release-keys
IN ?= images.tar
OUT ?= images.tar

# what a dist has, as words: names, or NAME,PLATFORM; and the tags of a day that a record has
read = $(PY) -c 'import json, sys; data = json.load(open(sys.argv[1]))["images"]; print(*($(1)))'
built = $$($(call read,data) $(DIST)/digests.json 2>/dev/null || true)
pairs = $$($(call read,f"{name}$(comma){platform}" for name$(comma) one in data.items() for platform in one["platforms"]) $(DIST)/digests.json)
dated = $$($(call read,sorted(tag for one in data.values() for tag in one["tags"] if ":$(DATE)-" in tag)) $(RELEASES)/$(DATE).json)
digests = $$($(call read,sorted({tag.rpartition(":")[0] + "@" + one["digest"] for one in data.values() for tag in one["tags"]})) $(RELEASES)/$(DATE).json)
comma := ,

.PHONY: matrix
matrix: .venv/images.stamp ## print the shares of a release as a matrix for CI (SHARDS, SET, IMAGES)
	@$(MILL) plan --set $(SET) --format matrix --shards $(SHARDS) $(IMAGES)

.PHONY: unreleased
unreleased: .venv/images.stamp ## print what is not what was released last, as JSON (RELEASES, SET, IMAGES)
	@$(MILL) plan --set $(SET) --format json --unreleased --releases $(RELEASES) $(IMAGES)

.PHONY: release-date
release-date: ## print the date of a release that is made now: 20261121, then 20261121.1 (RELEASES)
	@date=$(DATE); number=0; while [ -e $(RELEASES)/$$date.json ]; do number=$$((number + 1)); date=$(DATE).$$number; done; echo $$date

.PHONY: shard
shard: .venv/images.stamp ## build a share of a release, from the lock alone (SHARD=1/2, PLATFORM=linux/arm64, DIST)
	@$(MILL) build --set $(SET) --locked --no-load --dist $(DIST) --revision "$$(git rev-parse HEAD)" \
	  $(if $(SHARD),--shard $(SHARD)) $(if $(PLATFORM),--platform $(PLATFORM)) $(ARGS) $(IMAGES)

.PHONY: judge
judge: .venv/images.stamp ## judge what a share has and write the reports that publishing wants (DIST, PLATFORM)
	@images=$(built); [ -n "$$images" ] || { echo "$(DIST) has no images" >&2; exit 0; }; \
	$(MILL) conform --dist $(DIST) $(if $(PLATFORM),--platform $(PLATFORM)) --report json=$(DIST)/conformance.json $(ARGS) $$images

.PHONY: pack
pack: ## pack a share for another machine, each blob once (DIST, OUT=share.tar)
	@tar --create --file $(OUT) --directory $(DIST) .

.PHONY: unpack
unpack: ## unpack what was packed (IN=images.tar, DIST)
	@mkdir -p $(DIST); tar --extract --file $(IN) --directory $(DIST); rm $(IN)

.PHONY: merge
merge: .venv/images.stamp ## join shares, and their reports, to whole images (FROM="one two.tar", DIST)
	@set -- $(FROM); shares=(); \
	for one in "$$@"; do \
	  if [ -f "$$one" ]; then mkdir -p "$${one%.tar}"; tar --extract --file "$$one" --directory "$${one%.tar}"; rm "$$one"; fi; \
	  shares+=("$${one%.tar}"); \
	done; \
	$(MILL) merge "$${shares[@]}" --into $(DIST); \
	reports=(); for one in "$${shares[@]}"; do [ ! -f "$$one/conformance.json" ] || reports+=("$$one/conformance.json"); done; \
	$(MILL) report "$${reports[@]}" --report json=$(DIST)/conformance.json --report markdown=$(DIST)/conformance.md \
	  --report html=$(DIST)/conformance.html

.PHONY: sboms
sboms: .venv/images.stamp ## write the bills of materials of what was built into DIST/sbom, SPDX and CycloneDX
	@mkdir -p $(DIST)/sbom; for pair in $(pairs); do for form in spdx cyclonedx; do \
	  $(MILL) sbom $${pair%,*} --platform $${pair#*,} --dist $(DIST) --format $$form --out $(DIST)/sbom/$${pair%,*}-$${pair##*/}.$$form.json; \
	done; done

.PHONY: release-keys
release-keys: .venv/images.stamp ## put RELEASE_KEYS of the environment, which `imagemill trust export` wrote, into the folder KEYS
	@umask 077; mkdir -p $(KEYS); printf '%s\n' "$$RELEASE_KEYS" > $(KEYS)/backup; \
	$(MILL) trust --trust $(KEYS) import $(KEYS)/backup; rm $(KEYS)/backup

.PHONY: publish
publish: .venv/images.stamp ## push, sign, verify, and only then tag (TO, DATE, KEYS or SIGN="--key FILE", ARGS=--dry-run)
	@$(MILL) publish --set $(SET) --dist $(DIST) --report $(DIST)/conformance.json --date $(DATE) --releases $(RELEASES) \
	  $(foreach one,$(TO),--to $(one)) $(SIGN) $(ARGS) $(IMAGES)

.PHONY: verify
verify: .venv/images.stamp ## verify all that a release has published, as a stranger would (DATE, PUBLIC=KEY.pub)
	@for ref in $(dated); do $(MILL) verify $$ref $(if $(PUBLIC),--key $(PUBLIC)) $(ARGS); done

.PHONY: keyless
keyless: ## sign all digests of a release with cosign, as the workflow that runs this (DATE)
	@for ref in $(digests); do cosign sign --yes --recursive $$ref; done

.PHONY: notes
notes: .venv/images.stamp ## print the notes of a release in Markdown (DATE, DIST, RELEASES, IMAGES)
	@$(MILL) notes --set $(SET) --dist $(DIST) --releases $(RELEASES) --date $(DATE) $(ARGS) $(IMAGES)

.PHONY: release-rehearsal
release-rehearsal: .venv/dev.stamp ## make two whole releases here, against a registry and a notary on loopback (RUNTIME=python3.13)
	@bash tests/engines.sh
	@IMAGEMILL_REHEARSE=$(or $(RUNTIME),provided.al2023) $(PY) -m pytest -q -s tests/trust/test_rehearsal.py $(ARGS)
