package import TidegateCore

/// Creating, changing and deleting gateways (protocol §10).
extension AccountManager {
    package func gateways(of account: String) async throws(TidegateError) -> [GatewayView] {
        var views: [GatewayView] = []
        for entry in try await entries(keys.gateways(of: account)) {
            let document: GatewayDocument = try DocumentCoding.decode(from: entry)
            guard document.state == .active else { continue }
            let name = String(entry.key.dropFirst(keys.gateways(of: account).count))
            views.append(try view(document, account: account, name: name, revision: entry.modRevision))
        }
        return views
    }

    package func gateway(_ name: String, of account: String) async throws(TidegateError) -> GatewayView? {
        guard let entry = try await store.get(keys.gateway(account, name)) else { return nil }
        let document: GatewayDocument = try DocumentCoding.decode(from: entry)
        guard document.state == .active else { return nil }
        return try view(document, account: account, name: name, revision: entry.modRevision)
    }

    package func createGateway(
        _ name: String, of account: String, settings: GatewaySettings
    ) async throws(TidegateError) -> GatewayView {
        let uid = newUID()
        let gateway = GatewayDocument(
            uid: uid, region: region, settings: settings, createdAtMs: clock.milliseconds())
        let gatewayKey = keys.gateway(account, name)
        let value = try DocumentCoding.encode(gateway)
        let index = try DocumentCoding.encode(GatewayIndexDocument(account: account, name: name, region: region))
        for _ in 0..<Self.attemptsMax {
            let reads = try await store.commit(CoordinationTransaction(read: [keys.account(account), gatewayKey])).reads
            guard let owner = reads[0] else { throw Self.noAccount(account) }
            if let taken = reads[1] {
                // An unclear outcome of an earlier round may have been a success.
                guard taken.value == value else {
                    throw TidegateError(.conflict, "There is a gateway \(name) already.")
                }
                return try view(gateway, account: account, name: name, revision: taken.modRevision)
            }
            var document: AccountDocument = try DocumentCoding.decode(from: owner)
            if let cap = document.entitlements.gateways, document.gatewayCount >= cap {
                throw TidegateError(.quotaExceeded, "The account may have \(cap) gateways.")
            }
            document.gatewayCount += 1
            let transaction = CoordinationTransaction(
                compare: [
                    .modRevision(key: owner.key, equals: owner.modRevision),
                    .modRevision(key: gatewayKey, equals: 0),
                ],
                then: [
                    .put(key: owner.key, value: try DocumentCoding.encode(document)),
                    .put(key: gatewayKey, value: value), .put(key: keys.gatewayIndex(uid), value: index),
                ])
            do throws(TidegateError) {
                let outcome = try await store.commit(transaction)
                if outcome.succeeded {
                    return try view(gateway, account: account, name: name, revision: outcome.revision)
                }
            } catch {
                guard error.code == .unknownOutcome else { throw error }
            }
        }
        throw Self.tooFast
    }

    package func updateGateway(
        _ name: String, of account: String, change body: @Sendable (inout GatewaySettings) throws(TidegateError) -> Void
    ) async throws(TidegateError) -> GatewayView {
        let (document, revision): (GatewayDocument, Revision) = try await change(
            keys.gateway(account, name), "gateway \(name)"
        ) { document throws(TidegateError) in
            guard document.state == .active else { throw Self.noGateway(name) }
            try body(&document.settings)
            document.modifiedAtMs = clock.milliseconds()
        }
        let view = try view(document, account: account, name: name, revision: revision)
        logs.settingsChanged(of: view.uid)
        return view
    }

    package func deleteGateway(_ name: String, of account: String) async throws(TidegateError) -> GatewayView {
        // Step 1: the durable intent.
        let (document, revision): (GatewayDocument, Revision) = try await change(
            keys.gateway(account, name), "gateway \(name)"
        ) { document in document.state = .deleting }
        let view = try view(document, account: account, name: name, revision: revision)
        try await finishDeletion(of: view.uid, name: name, account: account)
        return view
    }

    /// Steps 2 and 3: the deletion in the log, then the documents. Each may be repeated after a crash anywhere.
    private func finishDeletion(of uid: GatewayUID, name: String, account: String) async throws(TidegateError) {
        let slot = try await logs.slot(of: uid)
        try await logs.deleteAll(of: uid)
        let gatewayKey = keys.gateway(account, name)
        for _ in 0..<Self.attemptsMax {
            // Whoever owns the slot by now has the gateway's end in its log: it grants nothing that this could forget.
            let reads = try await store.commit(
                CoordinationTransaction(
                    read: [keys.account(account), gatewayKey, keys.quota(account, uid), keys.owner(slot)])
            ).reads
            guard let owner = reads[0], let gateway = reads[1] else { return }
            let current: GatewayDocument = try DocumentCoding.decode(from: gateway)
            guard current.uid == uid.description else { return }
            let quota: QuotaDocument? = try reads[2].map { entry throws(TidegateError) in
                try DocumentCoding.decode(from: entry)
            }
            var document: AccountDocument = try DocumentCoding.decode(from: owner)
            document.gatewayCount = max(0, document.gatewayCount - 1)
            document.allocated = max(0, document.allocated - (quota?.allowance ?? 0))
            let gone = GoneDocument(atMs: clock.milliseconds(), slot: slot.description, purged: false)
            let transaction = CoordinationTransaction(
                compare: [
                    .modRevision(key: keys.owner(slot), equals: reads[3]?.modRevision ?? 0),
                    .modRevision(key: owner.key, equals: owner.modRevision),
                    .modRevision(key: gatewayKey, equals: gateway.modRevision),
                    .modRevision(key: keys.quota(account, uid), equals: reads[2]?.modRevision ?? 0),
                ],
                then: [
                    .put(key: owner.key, value: try DocumentCoding.encode(document)), .delete(key: gatewayKey),
                    .delete(key: keys.gatewayIndex(uid)), .delete(key: keys.quota(account, uid)),
                    .put(key: keys.gone(uid), value: try DocumentCoding.encode(gone)),
                ])
            do throws(TidegateError) {
                if try await store.commit(transaction).succeeded { return }
            } catch {
                guard error.code == .unknownOutcome else { throw error }  // the next round sees what became of it
            }
        }
        throw Self.tooFast
    }

    /// Completes deletions that a crash cut short. Run it once the slots serve.
    package func sweepDeletions() async throws(TidegateError) {
        for account in try await accounts(after: nil, limit: .max) {
            for entry in try await entries(keys.gateways(of: account.id)) {
                let document: GatewayDocument = try DocumentCoding.decode(from: entry)
                guard document.state == .deleting, let uid = GatewayUID(hex: document.uid) else { continue }
                let name = String(entry.key.dropFirst(keys.gateways(of: account.id).count))
                try await finishDeletion(of: uid, name: name, account: account.id)
            }
        }
    }

    /// Makes the account `default` with the gateway `default` unless they exist (interfaces.md §2).
    package func ensureDefault(authentication: Bool) async throws(TidegateError) {
        if try await account("default") == nil {
            do throws(TidegateError) {
                _ = try await createAccount(
                    id: "default", name: "Default", plan: .unlimited, overrides: EntitlementOverrides())
            } catch {
                guard error.code == .conflict else { throw error }  // another node was faster
            }
        }
        guard try await store.get(keys.gateway("default", "default")) == nil else { return }
        var settings = GatewaySettings()
        settings.authentication = authentication
        do throws(TidegateError) {
            _ = try await createGateway("default", of: "default", settings: settings)
        } catch {
            guard error.code == .conflict else { throw error }
        }
    }

    private func view(
        _ document: GatewayDocument, account: String, name: String, revision: Revision
    ) throws(TidegateError) -> GatewayView {
        guard let uid = GatewayUID(hex: document.uid) else {
            throw TidegateError(.corrupt, "The gateway \(name) of \(account) has no readable uid.")
        }
        return GatewayView(
            account: account, name: name, uid: uid, settings: document.settings, revision: revision,
            createdAtMs: document.createdAtMs, modifiedAtMs: document.modifiedAtMs)
    }

    static func noGateway(_ name: String) -> TidegateError {
        TidegateError(.notFound, "There is no gateway \(name).")
    }
}
